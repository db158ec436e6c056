"""How values that MessagePack can't hold become buffers and back, a file a kind; `farhand.wire.values` chooses.

numpy, pandas, polars and pyarrow are never imported here at the top: a value of theirs shows that they are loaded, and
decoding one loads them. Decoding is given what strangers sent: it raises `InvalidArguments` and nothing else.
"""
