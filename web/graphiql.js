'use strict';

cvf.enter(() => {
    const socket = graphqlWs.createClient({
        url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
        connectionParams: () => (cvf.token ? {authorization: `Bearer ${cvf.token}`} : {}),
    });
    const fetcher = GraphiQL.createFetcher({
        url: '/graphql',
        wsClient: socket,
        fetch: async (url, options) => {
            const answer = await fetch(url, {...options, headers: {...options.headers, ...cvf.headers()}, cache: 'no-store'});
            if (answer.status === 401) cvf.forget();
            return answer;
        },
    });
    const first = `# What is kept, and who the agents are; subscriptions work too:
#
#   subscription { records(types: [dns]) { timestamp source_address } }

{
  history { records bytes }
}
`;
    ReactDOM.createRoot(document.getElementById('page')).render(
        React.createElement(GraphiQL, {fetcher, defaultQuery: first, isHeadersEditorEnabled: false}));
});
