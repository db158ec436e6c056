"""`farhand demo`: the handlers it serves, and the show around them."""
