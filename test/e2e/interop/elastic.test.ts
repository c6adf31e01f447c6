// The product and @elastic/opamp-client-node: plain HTTP, strict about content types and about whose answer it gets.
import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
	AgentCapabilities,
	createOpAMPClient,
	DIAG_CH_SEND_FAIL,
	DIAG_CH_SEND_SCHEDULE,
	DIAG_CH_SEND_SUCCESS,
	RemoteConfigStatuses,
} from '@elastic/opamp-client-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { useProduct } from './product.js';
import { Transcript } from './transcript.js';

const product = useProduct();

type Options = Parameters<typeof createOpAMPClient>[0];
type ElasticClient = ReturnType<typeof createOpAMPClient>;
type Offer = NonNullable<Parameters<NonNullable<Options['onMessage']>>[0]['remoteConfig']>;

interface Message {
	readonly instanceUid: Uint8Array;
	readonly sequenceNum: bigint;
	readonly capabilities: bigint;
}
/** What the client tells of every attempt to send. */
interface Attempt {
	readonly name: string;
	readonly instanceUidStr: string;
	readonly a2s?: Message;
	readonly s2a?: Message;
	readonly err?: Error | string;
	readonly retryAfterMs?: number;
	readonly delayMs?: number;
}

interface ElasticAgent {
	readonly uid: string;
	readonly client: ElasticClient;
	readonly attempts: Transcript<Attempt>;
	readonly offers: Transcript<Offer>;
	report(offer: Offer, status: 'APPLYING' | 'APPLIED' | 'FAILED', errorMessage?: string): void;
}

const { AgentCapabilities_AcceptsRemoteConfig: accepts = 0, AgentCapabilities_ReportsRemoteConfig: reports = 0 } =
	AgentCapabilities as Partial<Record<string, number>>;

/** Polls five times a second; it goes away with the test. */
function startAgent({ token, attributes = {} }: { token?: string; attributes?: object } = {}): ElasticAgent {
	const { opamp, tokens } = product().ampora;
	const uid = randomUUID();
	const attempts = new Transcript<Attempt>();
	const offers = new Transcript<Offer>();
	const heard = (message: unknown) => {
		const attempt = message as Attempt;
		if (attempt.instanceUidStr === uid) attempts.push(attempt);
	};
	const channels = [DIAG_CH_SEND_SUCCESS, DIAG_CH_SEND_FAIL, DIAG_CH_SEND_SCHEDULE];
	for (const channel of channels) subscribe(channel, heard);
	const client = createOpAMPClient({
		endpoint: opamp.replace(/^ws/, 'http'),
		headers: { Authorization: `Bearer ${token ?? tokens.enrollment}` },
		instanceUid: uid,
		capabilities: BigInt(accepts) | BigInt(reports),
		heartbeatIntervalSeconds: 0.2,
		diagEnabled: true,
		onMessage: ({ remoteConfig }) => {
			if (remoteConfig) offers.push(remoteConfig);
		},
	});
	client.setAgentDescription({
		identifyingAttributes: { 'service.name': 'elastic-client', 'service.instance.id': uid },
		nonIdentifyingAttributes: { 'host.name': 'elastic-host', ...attributes },
	});
	client.start();
	onTestFinished(async () => {
		for (const channel of channels) unsubscribe(channel, heard);
		await client.shutdown().catch(() => {});
	});
	return {
		...{ uid, client, attempts, offers },
		report(offer, status, errorMessage = '') {
			client.setRemoteConfigStatus({
				lastRemoteConfigHash: offer.configHash,
				status: RemoteConfigStatuses[`RemoteConfigStatuses_${status}`],
				errorMessage,
			} as Parameters<ElasticClient['setRemoteConfigStatus']>[0]);
		},
	};
}

const succeeded = ({ attempts }: ElasticAgent) => attempts.take(({ name }) => name === DIAG_CH_SEND_SUCCESS, 'answer');
const failed = ({ attempts }: ElasticAgent) => attempts.take(({ name }) => name === DIAG_CH_SEND_FAIL, 'failure');
const nextOffer = ({ offers }: ElasticAgent) => offers.take(() => true, 'offer');
const bodies = ({ config }: Offer) =>
	Object.values<{ body: Uint8Array }>(config?.configMap ?? {}).map(({ body }) => Buffer.from(body).toString());

const yaml = (timeout: string) => `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:4318}}}
processors:
  batch: {timeout: ${timeout}}
exporters:
  debug: {}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [debug]}
`;

describe("Elastic's client", () => {
	it('is shown as it describes itself, and every answer is for it', async () => {
		const attributes = { wide: 2n ** 60n, ratio: 0.5, on: true, list: ['a', 1n], nested: { deep: { er: 'x' } } };
		const agent = startAgent({ attributes });
		const first = await succeeded(agent);
		expect(first.a2s?.sequenceNum).toBe(1n);
		// Status, remote config, effective config.
		expect(first.s2a?.capabilities).toBe(0x7n);
		const shown = await product().agent(agent.uid, ({ connected }) => connected, 'connected agent');
		expect(shown).toMatchObject({ transport: 'http', agentType: 'elastic-client', hostname: 'elastic-host' });
		expect(shown.capabilities.toSorted()).toEqual([
			'AcceptsRemoteConfig',
			'ReportsHeartbeat',
			'ReportsRemoteConfig',
			'ReportsStatus',
		]);
		expect(shown.attributes.nonIdentifying).toMatchObject({ ratio: 0.5, on: true, nested: { deep: { er: 'x' } } });
		expect(String(shown.attributes.nonIdentifying.wide)).toBe(`${2n ** 60n}`);

		agent.client.setAgentDescription({ identifyingAttributes: { 'service.name': 'renamed-client' } });
		await product().agent(agent.uid, ({ agentType }) => agentType === 'renamed-client', 'new description');
		const answers = agent.attempts.said.filter(({ name }) => name === DIAG_CH_SEND_SUCCESS);
		expect(new Set(answers.map(({ s2a }) => Buffer.from(s2a?.instanceUid ?? []).toString('hex')))).toEqual(
			new Set([agent.uid.replaceAll('-', '')]),
		);
		expect(agent.attempts.said.filter(({ name }) => name === DIAG_CH_SEND_FAIL)).toEqual([]);
	});

	it('takes what is rolled out, refuses it in its own words, and goes back', async () => {
		const agent = startAgent();
		const { campaign, agent: seen, adopt } = product();
		const { id, start, settled } = await adopt('elastic', agent.uid);
		const first = await start(yaml('1s'), { acceptNoWayBack: true });
		const good = await nextOffer(agent);
		expect(bodies(good)).toEqual([yaml('1s')]);
		agent.report(good, 'APPLYING');
		await seen(agent.uid, ({ reportedStatus }) => reportedStatus === 'applying', 'applying');
		agent.report(good, 'APPLIED');
		const completed = await settled(first);
		expect(completed).toMatchObject({ state: 'Completed', updated: 1, evidence: [], errors: [] });
		// It reports neither health nor effective config: these gates have nobody to judge.
		const judged = Object.fromEntries(completed.gates.map(({ gate, rollout }) => [gate, rollout.n]));
		expect(judged).toMatchObject({ 'apply-failed-ratio': 1, 'effective-mismatch-ratio': 0, 'unhealthy-ratio': 0 });

		const second = await start(yaml('2s'), { onAgentFailure: 'leave' });
		const bad = await nextOffer(agent);
		expect(bodies(bad)).toEqual([yaml('2s')]);
		agent.report(bad, 'FAILED', 'Unbekannter Schlüssel: «batch»');
		const error = 'Unbekannter Schlüssel: «batch»';
		expect(await settled(second)).toMatchObject({
			state: 'Paused',
			pauseReasons: ['gate'],
			evidence: [{ gate: 'apply-failed-ratio', k: 1, n: 1 }],
			errors: [{ error, agents: 1, examples: [id] }],
		});
		expect(await seen(agent.uid, () => true, 'agent')).toMatchObject({ applyError: error, reportedStatus: 'failed' });

		await campaign.call('rollbackRollout', { params: { rollout: second }, body: {} });
		const back = await nextOffer(agent);
		expect(bodies(back)).toEqual([yaml('1s')]);
		agent.report(back, 'APPLIED');
		await campaign.until(second, ({ state }) => state === 'RolledBack');
		expect(agent.offers.said).toHaveLength(3);
	});

	it('is told that its token is not valid, and comes back after half a minute at the earliest', async () => {
		const agent = startAgent({ token: 'made-up' });
		const { err } = await failed(agent);
		expect(err).toBe('unexpected OpAMP response: statusCode=401');
		const { delayMs } = await agent.attempts.take(
			({ name, delayMs }) => name === DIAG_CH_SEND_SCHEDULE && (delayMs ?? 0) > 1_000,
			'schedule',
		);
		expect(delayMs).toBeGreaterThan(25_000);
		const { items } = await product().campaign.call('listAgents', {
			query: { search: agent.uid, limit: 1, sort: 'id', order: 'asc' },
		});
		expect(items).toEqual([]);
	});

	it('is told that a description goes too deep', async () => {
		const nested = Array.from({ length: 300 }).reduce<object>((inner) => ({ inner }), {});
		const { err } = await failed(startAgent({ attributes: { nested } }));
		expect(err).toBe('unexpected OpAMP response: statusCode=400');
	});

	it('says no more after it was shut down', async () => {
		const [agent, other] = [startAgent(), startAgent()];
		await succeeded(agent);
		await agent.client.shutdown();
		const before = agent.attempts.said.length;
		for (let polls = 0; polls < 3; polls += 1) await succeeded(other);
		expect(agent.attempts.said).toHaveLength(before);
		// Over HTTP nobody can know yet that it will not come back.
		expect(await product().agent(agent.uid, () => true, 'agent')).toMatchObject({ connected: true });
	});
});
