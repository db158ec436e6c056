"""The hub's HTTP door: the API for any language, the shell and browsers. litestar and uvicorn load with it."""
