"""How farhand's own ends, worker and client alike, carry large payloads: hold what they made until it was fetched, send
it when the hub asks for it, and fetch what others hold. Only the hub is dialled, and data ports that it names. Nothing
here knows handlers, jobs or calls."""
