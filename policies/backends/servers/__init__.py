"""What is known of servers of OpenAI's protocol, and of what they say, before anybody asks for rows."""
