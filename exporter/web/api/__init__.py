"""The API described: what each route takes and answers, as an OpenAPI document, and the page that shows it."""
