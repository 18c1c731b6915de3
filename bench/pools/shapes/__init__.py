"""The shapes in which people keep generations, a file a family; `known` says in which order they are tried."""
