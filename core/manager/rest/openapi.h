/* The OpenAPI 3 document of the API, made from the table of routes and the fields of resources. */
#ifndef DTR_MANAGER_REST_OPENAPI_H
#define DTR_MANAGER_REST_OPENAPI_H

/* JSON; the caller's (free()). NULL: out of memory. */
char *openapi_text(void);

#endif
