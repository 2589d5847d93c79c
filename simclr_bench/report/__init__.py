"""From records to what people and programs read: a JSON document, and views of that document."""
