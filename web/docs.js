'use strict';

cvf.enter(() => {
    SwaggerUIBundle({
        url: '/api/v1/openapi.json',
        dom_id: '#page',
        deepLinking: true,
        validatorUrl: null,
        requestInterceptor: request => {
            Object.assign(request.headers, cvf.headers());
            return request;
        },
    });
});
