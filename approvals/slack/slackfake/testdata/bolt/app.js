// An app on Slack's own framework, as little as shows that the fake is Slack to it. Started by bolt_test.go:
//
//   node app.js socket|http
//
// It prints "ready" (and the port, for http) when it can be used, and answers what people do; the test looks at the outcome.
const { App, SocketModeReceiver } = require('@slack/bolt');

const { SLACK_API_URL: slackApiUrl, SLACK_BOT_TOKEN: token, SLACK_APP_TOKEN: appToken, SLACK_SIGNING_SECRET: signingSecret } = process.env;
const clientOptions = { slackApiUrl, retryConfig: { retries: 0 } };
const socket = process.argv[2] === 'socket';
// clientPingTimeout is also how long the client waits before it connects again.
const receiver = socket ? new SocketModeReceiver({ appToken, clientPingTimeout: 1000, installerOptions: { clientOptions } }) : undefined;
const app = new App({ token, receiver, signingSecret: socket ? undefined : signingSecret, clientOptions });

const plain = (text) => ({ type: 'plain_text', text });
const modal = {
  type: 'modal', callback_id: 'deny', title: plain('Deny'), submit: plain('Deny'), close: plain('Back'), private_metadata: 'request-1',
  blocks: [{ type: 'input', block_id: 'why', label: plain('Reason'), element: { type: 'plain_text_input', action_id: 'reason', max_length: 200 } }],
};

app.action('approve', async ({ ack, action, body, client }) => {
  await ack();
  await client.chat.update({
    channel: body.channel.id, ts: body.message.ts, text: 'Approved',
    blocks: [{ type: 'section', text: { type: 'mrkdwn', text: `Approved by <@${body.user.id}> with ${action.value}` } }],
  });
});

app.action('deny', async ({ ack, body, client }) => {
  await ack();
  await client.views.open({ trigger_id: body.trigger_id, view: modal });
});

app.view('deny', async ({ ack, view, body, client }) => {
  const reason = view.state.values.why.reason.value;
  if (reason.length < 5) return ack({ response_action: 'errors', errors: { why: 'say more' } });
  await ack();
  const im = await client.conversations.open({ users: body.user.id });
  await client.chat.postMessage({ channel: im.channel.id, text: `Denied ${view.private_metadata}: ${reason}` });
});

app.command('/sallyport', async ({ ack, command, respond, client }) => {
  await ack(`you said ${command.text}`);
  const { user } = await client.users.info({ user: command.user_id });
  await respond(`and you are ${user.real_name}`);
});

// Errors as the client library understands them, for the test to compare.
app.command('/errors', async ({ ack, command, client }) => {
  const told = [];
  const attempt = async (call) => {
    try {
      await call();
      told.push('ok');
    } catch (e) {
      told.push(e.data?.error ?? `${e.code} ${e.retryAfter ?? ''}`.trim());
    }
  };
  await attempt(() => client.chat.postMessage({ channel: command.channel_id, text: 'x', blocks: [{ type: 'header', text: plain('x'.repeat(151)) }] }));
  await attempt(() => client.chat.postMessage({ channel: 'C404', text: 'x' }));
  await attempt(() => client.views.open({ trigger_id: '1.2.3', view: modal }));
  await attempt(() => client.users.info({ user: 'U404' }));
  await ack(told.join(' '));
});

(async () => {
  const started = await app.start(0);
  console.log('ready', socket ? '' : started.address().port);
})();
process.stdin.resume().on('end', () => process.exit(0)); // the test ends it by closing its input
