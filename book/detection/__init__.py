"""Detection: from "what is in the picture" to "what is where", with boxes and their measures."""
