"""The embedded profile's networks: what determines each, and how it is obtained."""
