/* What is answered at once, outside the API. */
#ifndef DTR_MANAGER_REST_PAGES_H
#define DTR_MANAGER_REST_PAGES_H

#include "core/manager/rest/call.h"

rest_handler page_home, page_healthy, page_swagger, page_openapi;

#endif
