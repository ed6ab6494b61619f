// Who asks: a client certificate the browser sends by itself, or a token. That is asked for once and kept for as long as the tab
// is open; it stands in no address and in no cookie.
'use strict';

const cvf = {
    token: sessionStorage.getItem('cvf-token') || '',

    headers() {
        return this.token ? {Authorization: `Bearer ${this.token}`} : {};
    },

    async let_in() {
        const answer = await fetch('/graphql?query={__typename}', {
            headers: {...this.headers(), Accept: 'application/json'},
            cache: 'no-store',
        });
        return answer.ok;
    },

    // Calls `begin` when the server lets us in.
    async enter(begin) {
        if (await this.let_in()) return begin();
        this.token = '';
        const page = document.getElementById('page');
        page.hidden = true;
        const form = document.createElement('form');
        form.id = 'token';
        form.innerHTML = '<h1>CVF</h1><label for="secret">Token</label>' +
            '<input id="secret" type="password" autocomplete="off" spellcheck="false" required autofocus>' +
            '<p>The local one stands in <code>/run/cvf/token</code>; <code>cvf token</code> makes others.</p>' +
            '<button>Go on</button><p role="alert"></p>';
        document.body.prepend(form);
        const secret = form.querySelector('input'), alert = form.querySelector('[role=alert]');
        secret.focus();
        form.addEventListener('submit', async event => {
            event.preventDefault();
            this.token = secret.value.trim();
            alert.textContent = '';
            let good = false;
            try {
                good = await this.let_in();
            } catch (error) {
                alert.textContent = `The server does not answer: ${error.message}`;
                return;
            }
            if (!good) {
                alert.textContent = 'The server does not know this token.';
                secret.select();
                return;
            }
            sessionStorage.setItem('cvf-token', this.token);
            form.remove();
            page.hidden = false;
            begin();
        });
    },

    // The server has said 401: the token was taken back.
    forget() {
        sessionStorage.removeItem('cvf-token');
        location.reload();
    },
};
