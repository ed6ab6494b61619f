// The pages for browsers in a real one: the token is asked for once, GraphiQL asks and follows, the description is shown, and nothing
// is loaded from elsewhere. With CVF_SHOTS=FOLDER it leaves pictures there.
//
//   pages.mjs SERVER
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {createInterface} from 'node:readline';

const skip = why => {
    console.log(`SKIP: ${why}`);
    process.exit(77);
};
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
if (!executablePath) skip('chromium is not installed');
const {chromium} = await import('playwright-core').catch(() => skip('playwright-core is not installed (npm ci in tests/)'));

const server = spawn(process.argv[2], {stdio: ['pipe', 'pipe', 'inherit']});
let browser;
try {
    const said = await new Promise(done => createInterface({input: server.stdout}).once('line', done));
    const {address, token, pages} = JSON.parse(said);
    if (!pages) skip('built without pages (npm, or the network, was missing when it was configured)');
    browser = await chromium.launch({
        executablePath,
        args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync',
            '--no-first-run', '--disable-gpu', '--disable-dev-shm-usage'],
    });
    const context = await browser.newContext({viewport: {width: 1280, height: 800}});
    context.setDefaultTimeout(30_000);
    const page = await context.newPage();
    const elsewhere = [], complaints = [];
    page.on('request', one => {
        if (!/^(data|blob):/.test(one.url()) && new URL(one.url()).host !== new URL(address).host) elsewhere.push(one.url());
        assert(!one.url().includes(token), 'the token stands in no address');
    });
    page.on('pageerror', error => complaints.push(String(error)));
    page.on('console', one => {
        if (/Content Security Policy/i.test(one.text())) complaints.push(one.text());
    });
    const shot = name => process.env.CVF_SHOTS && page.screenshot({path: `${process.env.CVF_SHOTS}/${name}.png`});

    // ---- the token, once
    await page.goto(`${address}/graphql`);
    await page.fill('#secret', 'wrong');
    await page.click('#token button');
    await page.waitForFunction(() => document.querySelector('[role=alert]').textContent.includes('does not know this token'));
    await shot('token');
    await page.fill('#secret', token);
    await page.click('#token button');

    // ---- GraphiQL
    await page.waitForSelector('.graphiql-query-editor .CodeMirror');
    const ask = async query => {
        await page.evaluate(text => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.setValue(text), query);
        await page.waitForTimeout(500);  // GraphiQL reads what is written when the writer pauses
        await page.click('.graphiql-execute-button');
    };
    const shown = () => page.evaluate(() => document.querySelector('.result-window .CodeMirror')?.CodeMirror.getValue());
    const answer = async part => {
        await page.waitForFunction(
            wanted => document.querySelector('.result-window .CodeMirror')?.CodeMirror.getValue().includes(wanted), part)
            .catch(async error => assert.fail(`${error.message}; shown is ${await shown()}`));
    };
    await ask('{ directives { nodes { kind metadata { name } } } }');
    await answer('"shop"');
    await shot('graphiql');
    await ask('subscription { records(types: [dns]) { __typename source_port } }');
    await answer('DnsRecord');
    await page.click('.graphiql-execute-button');  // ends it
    // Who types is helped: the schema has come.
    assert.equal(await page.evaluate(() => !!document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.options.lint.schema),
        true);

    // ---- the description; the token is known in this tab
    await page.goto(`${address}/api/v1/docs`);
    await page.waitForSelector('#operations-directives-listDirectives');
    assert.equal(await page.locator('#token').count(), 0);
    await shot('docs');
    await page.click('#operations-nodes-listNodes');
    await page.click('#operations-nodes-listNodes .try-out__btn');
    await page.click('#operations-nodes-listNodes .execute');
    await page.waitForFunction(() => document.querySelector('#operations-nodes-listNodes')?.textContent.includes('NodeList'));
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(complaints, []);
    console.log('both pages do what they are for');
} finally {
    await browser?.close();
    server.stdin.end();
}
