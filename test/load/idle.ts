import { systemClock } from '@ampora/runtime';
import type { FleetProcess } from '../support/fleet/process.js';
import type { ServiceProcess } from '../support/stack/service_process.js';
import { type Figures, figure } from './report.js';
import { inSetting, type ScenarioOptions } from './setting.js';

const heartbeatMs = 10_000;
const restMs = 10_000;
const measureMs = 20_000;

/** Agents that are connected and do nothing but beat: what one costs. */
export function idle({ agents, say }: ScenarioOptions): Promise<Figures> {
	return inSetting({ gatewayNodeArgs: ['--expose-gc'] }, async ({ stack, fleet }) => {
		const [gateway] = stack.gateways;
		if (!gateway) throw new Error('there is no gateway');
		say('measuring the gateway without agents');
		const emptyBytes = await restingRss(gateway);
		say(`connecting ${agents} agents`);
		await fleet.add({ count: agents, heartbeatMs });
		await fleet.launch(1_000);
		await fleet.until(({ connected }) => connected === agents, 300_000);
		await saved(gateway);
		// Every agent beats at least once, so that what is left of the connect is gone.
		await systemClock.sleep(heartbeatMs);
		say('measuring the gateway with all of them');
		const fullBytes = await restingRss(gateway);
		const beats = await measureBeats(gateway, fleet);
		return {
			rssPerAgent: figure((fullBytes - emptyBytes) / 1_024 / agents, 'KiB'),
			replyBytes: figure(beats.replyBytes, 'B'),
			cpuPerHeartbeat: figure(beats.cpuUs, 'µs'),
		};
	});
}

async function restingRss(gateway: ServiceProcess): Promise<number> {
	await gateway.usage({ collect: true });
	await systemClock.sleep(restMs);
	return (await gateway.usage()).rss;
}

/** Nothing of the connects waits to be written any more. */
async function saved(gateway: ServiceProcess): Promise<void> {
	while ((await gateway.metrics()).sum('ampora_gateway_dirty_agents') > 0) await systemClock.sleep(100);
}

/** Everything the gateway did in that time, by the heartbeats it answered. */
async function measureBeats(gateway: ServiceProcess, fleet: FleetProcess) {
	const cpuBefore = (await gateway.usage()).cpuUs;
	const before = await fleet.call('stats', null);
	await systemClock.sleep(measureMs);
	const after = await fleet.call('stats', null);
	const cpuAfter = (await gateway.usage()).cpuUs;
	const beats = after.messagesReceived - before.messagesReceived;
	if (after.plainAcks - before.plainAcks !== beats) throw new Error('answers carried more than an acknowledgement');
	return {
		replyBytes: (after.bytesReceived - before.bytesReceived) / beats,
		cpuUs: (cpuAfter - cpuBefore) / beats,
	};
}
