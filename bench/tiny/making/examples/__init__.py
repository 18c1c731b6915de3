"""What verifiers of the embedded tasks learn from: solutions drawn and made up, their values and rationales."""
