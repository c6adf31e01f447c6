// A real collector under the real supervisor, and the bytes of packages/opamp: what it does with what it is offered, and
// whether what it then says it runs is recognised.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { effectiveMatches } from '@ampora/collector-config';
import type { AgentMessage } from '@ampora/opamp';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BareServer, startBareServer } from '../bare_server.js';
import { buildInterop, type InteropBinaries } from '../build.mjs';
import { freePort, type OtlpSink, pipelineYaml, sendSpan, startSink, unknownExporterYaml } from '../pipeline.js';
import { type RunningSupervisor, type SupervisorOptions, startSupervisor } from '../supervisor.js';

let binaries: InteropBinaries;
beforeAll(async () => {
	binaries = await buildInterop();
});

describe('a supervised collector', () => {
	let workdir: string;
	let server: BareServer;
	let sink: OtlpSink;
	let supervisor: RunningSupervisor | undefined;
	beforeEach(async () => {
		workdir = await mkdtemp(path.join(tmpdir(), 'ampora-supervised-'));
		server = await startBareServer();
		sink = await startSink();
	});
	afterEach(async () => {
		await supervisor?.stop();
		supervisor = undefined;
		await Promise.all([server.close(), sink.close()]);
		await rm(workdir, { recursive: true });
	});

	async function start(options: Partial<SupervisorOptions> = {}): Promise<RunningSupervisor> {
		const endpoint = server.wsUrl;
		const timing = { configApplyTimeout: '4s' } as const;
		supervisor = await startSupervisor({ binaries, endpoint, token: 'enrolled', workdir, ...timing, ...options });
		await server.messages.take(({ report }) => report.health?.healthy === true, 'healthy collector without pipelines');
		return supervisor;
	}
	const reported = (hash: string, status: string) =>
		server.messages.take(({ report: { remoteConfigStatus: told } }) => {
			return told?.status === status && Buffer.from(told.lastRemoteConfigHash).toString('hex') === hash;
		}, `${status} for ${hash}`);
	const match = ({ report }: AgentMessage, assigned: string) => {
		const files = [...(report.effectiveConfig?.files ?? [])].map(([name, { body }]) => ({ name, body }));
		return effectiveMatches([{ name: 'collector.yaml', body: Buffer.from(assigned) }], files);
	};
	/** A report that shows the collector running this. */
	const effective = (assigned: string) =>
		server.messages.take((message) => match(message, assigned).outcome === 'match', 'matching effective config');

	it('introduces itself, and says goodbye', async () => {
		const { instanceUid, stop } = await start({ attributes: { team: 'interop' } });
		const [introduction] = server.messages.said;
		expect(introduction?.instanceUid).toBe(instanceUid);
		expect(introduction?.capabilities.word).toBe(0x3847n);
		expect(introduction?.report.agentDescription?.identifying).toContainEqual({
			key: 'service.name',
			value: { kind: 'string', value: 'interop-collector' },
		});
		expect(introduction?.report.agentDescription?.nonIdentifying).toContainEqual({
			key: 'team',
			value: { kind: 'string', value: 'interop' },
		});
		expect(server.credentials).toEqual(['Bearer enrolled']);
		await stop();
		await server.messages.take(({ disconnect }) => disconnect, 'goodbye');
	});

	it('runs what it is offered, and then something else', async () => {
		await start();
		const first = { receivePort: await freePort(), sink: sink.url };
		const hash = server.offer(pipelineYaml(first));
		await reported(hash, 'applying');
		await effective(pipelineYaml(first));
		await reported(hash, 'applied');
		expect(await sendSpan(first.receivePort, 'through the first pipeline')).toBe(200);
		await sink.spans.take((name) => name === 'through the first pipeline', 'span');

		const otherSink = await startSink();
		const second = { receivePort: await freePort(), sink: otherSink.url };
		const next = server.offer(pipelineYaml(second));
		await effective(pipelineYaml(second));
		await reported(next, 'applied');
		expect(await sendSpan(first.receivePort, 'lost')).toBeUndefined();
		expect(await sendSpan(second.receivePort, 'through the second pipeline')).toBe(200);
		await otherSink.spans.take((name) => name === 'through the second pipeline', 'span');
		expect(sink.spans.said).toEqual(['through the first pipeline']);
		await otherSink.close();
	});

	it('prints every kind of setting so that it is recognised', async () => {
		await start();
		const rich = richYaml({ grpc: await freePort(), http: await freePort(), health: await freePort(), sink: sink.url });
		const hash = server.offer(rich);
		await reported(hash, 'applied');
		const last = server.messages.said.findLast(({ report }) => report.effectiveConfig !== undefined);
		expect(last && match(last, rich)).toEqual({ outcome: 'match' });
		expect(last && match(last, rich.replace('90s', '91s'))).toMatchObject({ outcome: 'mismatch' });
	});

	it('refuses a configuration it cannot run, and takes the previous one back', async () => {
		await start();
		const good = { receivePort: await freePort(), sink: sink.url };
		const hash = server.offer(pipelineYaml(good));
		await reported(hash, 'applied');

		const bad = server.offer(unknownExporterYaml(good));
		const failed = await reported(bad, 'failed');
		const words = 'Agent exited unexpectedly with exit code 1 while applying configuration';
		expect(failed.report.remoteConfigStatus?.errorMessage).toBe(words);
		expect(await sendSpan(good.receivePort, 'lost')).toBeUndefined();

		server.offer(pipelineYaml(good));
		await reported(hash, 'applied');
		expect(await sendSpan(good.receivePort, 'again')).toBe(200);
		await sink.spans.take((name) => name === 'again', 'span');
	});

	it('keeps running what it ran when it checks a configuration first, and says what is wrong', async () => {
		await start({ validateConfig: true });
		const good = { receivePort: await freePort(), sink: sink.url };
		await reported(server.offer(pipelineYaml(good)), 'applied');
		const failed = await reported(server.offer(unknownExporterYaml(good)), 'failed');
		expect(failed.report.remoteConfigStatus?.errorMessage).toContain('unknown type: "no_such_exporter"');
		expect(await sendSpan(good.receivePort, 'still')).toBe(200);
		await sink.spans.take((name) => name === 'still', 'span');
	});

	it('answers with its effective configuration alone when it reports no status', async () => {
		await start({ capabilities: { reports_remote_config: false } });
		expect(server.messages.said[0]?.capabilities.word).toBe(0x2847n);
		const good = { receivePort: await freePort(), sink: sink.url };
		server.offer(pipelineYaml(good));
		const runs = ({ report }: AgentMessage) => report.health?.components.get('pipeline:traces')?.healthy === true;
		await server.messages.take(runs, 'running pipeline');
		expect(server.messages.said.some((message) => match(message, pipelineYaml(good)).outcome === 'match')).toBe(true);
		expect(await sendSpan(good.receivePort, 'unconfirmed')).toBe(200);
		await sink.spans.take((name) => name === 'unconfirmed', 'span');
		const statuses = server.messages.said.map(({ report }) => report.remoteConfigStatus?.status);
		expect(new Set(statuses)).toEqual(new Set(['unset', undefined]));
	});

	it('is the same agent with the same configuration after a crash', async () => {
		const { instanceUid, kill } = await start();
		const good = { receivePort: await freePort(), sink: sink.url };
		const hash = server.offer(pipelineYaml(good));
		await reported(hash, 'applied');
		await kill();
		expect(await sendSpan(good.receivePort, 'lost')).toBeUndefined();
		server.messages.forget();
		const again = await start();
		expect(again.instanceUid).toBe(instanceUid);
		await reported(hash, 'applied');
		expect(await sendSpan(good.receivePort, 'back')).toBe(200);
		await sink.spans.take((name) => name === 'back', 'span');
	});
});

/** Settings a collector prints otherwise than they were written: durations, levels, headers, switched-off sections, defaults. */
const richYaml = (at: { grpc: number; http: number; health: number; sink: string }): string => `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "localhost:${at.grpc}", max_recv_msg_size_mib: 16}
      http:
        endpoint: 127.0.0.1:${at.http}
        include_metadata: true
        cors: {allowed_origins: ["https://*.example.com"]}
processors:
  batch: {timeout: 90s, send_batch_size: 1024, metadata_keys: [X-Tenant]}
  batch/defaults:
exporters:
  otlphttp/old_name:
    endpoint: ${at.sink}/
    encoding: json
    timeout: 1500ms
    headers: {X-Token: "\${env:HOME}", x-second: plain}
    sending_queue: {enabled: false}
    retry_on_failure: {enabled: false}
  otlp_http:
    traces_endpoint: ${at.sink}/v1/traces
    compression: zstd
    tls: {insecure_skip_verify: true, min_version: "1.3"}
    sending_queue: {sizer: bytes, queue_size: 1_000_000, batch: {flush_timeout: 200ms, min_size: 10}}
  debug: {verbosity: detailed, sampling_initial: 5}
extensions:
  health_check: {endpoint: "127.0.0.1:${at.health}", path: /health}
service:
  extensions: [health_check]
  telemetry:
    logs: {level: DEBUG}
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp_http, debug]}
    traces/old: {receivers: [otlp], processors: [batch/defaults], exporters: [otlphttp/old_name]}
`;
