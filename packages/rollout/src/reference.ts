import { formatDuration } from '@ampora/runtime';
import type { CommandKind } from './decision.js';
import { cohortSeries } from './metric_samples.js';
import type { GateName, Strategy } from './model.js';
import { gateNames } from './names.js';
import { defaultSpec, defaultStrategies, presets } from './spec.js';
import {
	type CommandState,
	commandOrder,
	commandTable,
	type Legality,
	overruledBy,
	stateExits,
} from './transitions.js';

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
	[head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

const code = (text: string): string => `\`${text}\``;

const legalityText: Record<Legality, string> = {
	yes: 'yes',
	'if-inconclusive': 'if inconclusive',
	'new-rollout': 'new rollout',
};

function commandRows(): string[][] {
	return (Object.keys(commandTable) as CommandState[]).map((state) => {
		const row: Partial<Record<CommandKind, Legality>> = commandTable[state];
		return [code(state), ...commandOrder.map((command) => (row[command] ? legalityText[row[command]] : ''))];
	});
}

function strategyText(strategy: Strategy): string {
	switch (strategy.kind) {
		case 'batch':
			return `${strategy.batchSize} agents per step, advanced ${strategy.advance === 'auto' ? 'automatically' : 'by hand'}`;
		case 'percentage':
			return `${strategy.percentages.map((percent) => `${percent} %`).join(', ')}, advanced ${strategy.advance === 'auto' ? 'automatically' : 'by hand'}`;
		case 'canary':
			return strategy.steps
				.map(({ name, size, dwellMs }) => {
					const amount = size.kind === 'percent' ? `${size.value} %` : `${size.value}`;
					return [name, amount, dwellMs > 0 ? formatDuration(dwellMs) : ''].filter(Boolean).join(' ');
				})
				.join(', ');
	}
}

/** What counts against each gate, and among whom. A gate without a line does not compile. */
const gateMeaning: Record<GateName, readonly [counts: string, among: string]> = {
	'apply-failed-ratio': ['`Failed`, `Reverted`', 'agents that report config status'],
	'apply-timeout-ratio': ['`TimedOut`', 'agents that report config status'],
	'disconnect-ratio': ['`Disconnected`', 'all'],
	'effective-mismatch-ratio': [
		'effective config not the assigned one, by meaning, for the whole window',
		'agents that report effective config and have since the push',
	],
	'unhealthy-ratio': ['healthy before the push, unhealthy without a break for the window', 'agents that report health'],
};

/** The numbered rules that code and tests cite. */
export const invariants = {
	D1: 'At most one epoch’s facts and offers take effect per agent.',
	D2: 'Every config delivered equals an assignment row that was current at most 1 s before the send.',
	D3: 'Per agent, the delivered seq never decreases, over reconnects and gateways.',
	D4: 'Cleaning up an old session never removes a newer claim.',
	D5: 'Losing all of Redis, or any NATS message, loses routing or time, never state, and marks nobody disconnected.',
	D6: 'Every queue is bounded, and full is a typed answer.',
	D7: 'One slow agent or rollout delays no other.',
	R1: 'No assignment moves towards a rollout’s version while it is paused, before approval, or after it has ended (rollback, withdrawal and the tail excepted).',
	R2: 'At most one epoch’s write takes effect per journal seq; once a newer epoch has committed, no older one does.',
	R3: 'Same snapshot, commands and time: same bytes.',
	R4: 'Agents in flight never exceed a cap.',
	R5: 'No step starts without a pass of every applicable gate of the steps before, or that evidence accepted by an operator, on the record.',
	R6: 'Each target is in exactly one step or excluded with a reason; joiners come with the last step.',
	R7: 'Deleting or relabelling agents never turns a failure into a pass.',
	R8: 'Ended states have no exits.',
	R9: 'A quarantined (agent, version) is never offered again without an explicit retry.',
	R10: 'After RolledBack, no assignment written by the rollout points at its version.',
	R11: 'A command repeated with its idempotency key changes nothing.',
	R12: 'Clocks accrue only while observed and live; no clock jump satisfies or fires them.',
	R13: 'Crash anywhere, then restart: each effect once in the database, at least once with a dedupe key outside.',
	R14: 'Every rollout that has not ended has a next wake or names the human action it waits for.',
	R15: 'At most one active rollout owns an agent.',
	R16: 'An answer is never lost: whatever an agent reported for an assignment is in the database once any later fact of it is.',
} as const;

/** The reference page of states, commands, gates, defaults and invariants, made from the tables the core itself runs on. */
export function rolloutReference(): string {
	const spec = defaultSpec('');
	const gates = gateNames.map((gate) => {
		const { thresholdPercent, windowMs } = spec.gates[gate];
		const [counts, among] = gateMeaning[gate];
		return [code(gate), `${thresholdPercent} %`, windowMs === 0 ? 'at once' : formatDuration(windowMs), counts, among];
	});
	const overruled = commandOrder
		.filter((command) => overruledBy[command].length > 0)
		.map((command) => [code(command), overruledBy[command].map(code).join(', ')]);
	return [
		'# Rollout reference',
		'Made from the tables of this package; a test fails when they differ.',
		'## States',
		tableOf(
			['state', 'may become'],
			Object.entries(stateExits).map(([state, exits]) => [
				code(state),
				exits.length === 0 ? '(ended)' : exits.map(code).join(', '),
			]),
		),
		'## Commands',
		'`PausedRollback` is `Paused` on the way back. "new rollout": the command creates one that refers to the ended one; "if inconclusive": only while nothing but missing evidence stops it.',
		tableOf(['state', ...commandOrder.map(code)], commandRows()),
		'When several meet in one decision, an accepted one refuses these:',
		tableOf(['command', 'is refused beside'], overruled),
		'## Gates',
		'A gate fires when 100 · k > threshold · N, in whole numbers, for the current step or for all agents pushed by the rollout.',
		tableOf(['gate', 'threshold', 'window', 'counts against it (k)', 'judged among (N)'], gates),
		'A gate with a `minSample` is advisory in a step planned for fewer agents: shown, it neither fires nor blocks there, and still judges all agents pushed once they are enough.',
		'In a step whose agents that report health were all sick before their push, `unhealthy-ratio` asks what the whole rollout has seen.',
		'## Metric gates',
		'A metric gate asks a Prometheus-compatible server how the changed agents do, in the steps and in the bake, while paused as well, and in the tail, and passes while `sample op value` holds. With `compare: control` the same query is asked about the agents that still wait for their push, and `changed op value × control` decides; where nobody waits any more it is not applicable. More than `failureLimit` failures in a step fire it like any gate; more than `inconclusiveLimit` evaluations in a row without exactly one finite, fresh sample, or more than `errorLimit` without an answer, pause with reason `inconclusive` and never roll back: where the rollout is paused already, when it goes on by itself and that is still so; in the tail only failures stop. A gate that fired is asked again after a resume; its value and limits are edited like any gate. Changed agents of which the server has no sample, while it has one of the others, went silent: a failure. A step ends only after a pass of each.',
		`The leader of the rollout-engines exposes \`${cohortSeries}{rollout="…", cohort="changed|control", service_instance_id="…"} 1\` on /metrics, at most 2,000 agents of each cohort by rank, for rollouts with metric gates that are under way, paused or in their tail: let Prometheus scrape it. Queries join their own series with it on \`joinLabel\`, whose value is the agent’s attribute of that name, \`_\` for \`.\`; for the default, \`service_instance_id\`, that is \`service.instance.id\`, or else the instance uid.`,
		tableOf(
			['variable', 'is'],
			[
				['`$changed`, `$control`', 'the agents of the cohort, one series each, with the join label only'],
				['`$rollout`, `$step`', 'the id of the rollout, the number of the step from 1'],
				['`$window`', 'the interval of the gate'],
			],
		),
		'`{"name": "exported-points", "query": "avg(rate(otelcol_exporter_sent_metric_points_total[$window]) * on (service_instance_id) group_left () $changed)", "compare": "control", "op": ">=", "value": 0.9, "interval": "1m"}`',
		'### What no gate can see in a small group',
		'Of three agents every step is one agent, and a lost session, a timeout or a sick agent counts from the second on. A rejection stops the rollout at once, and so does a version that cuts off the first agent; a version that makes one of three agents ill, or any of them only after the last bake, is completed. A group of three shows whether a version can work at all, not how often it harms: let a larger group go first.',
		'## Strategies',
		tableOf(
			['strategy', 'default'],
			[
				...Object.values(defaultStrategies).map((strategy) => [code(strategy.kind), strategyText(strategy)]),
				...Object.entries(presets).map(([name, preset]) => [code(name), strategyText(preset.strategy)]),
			],
		),
		'## Defaults',
		tableOf(
			['setting', 'default'],
			[
				['strategy', code(spec.strategy.kind)],
				['order', code(spec.order)],
				['no agent changing state, though one is due to, pauses after', formatDuration(spec.progressDeadlineMs ?? 0)],
				['agents in flight', '5 % of the group, at least 1, at most 1,000'],
				['on a fired gate', code(spec.onGate)],
				['an agent that failed', code(spec.onAgentFailure)],
				['coverage a gate needs', `${spec.coveragePercent} %`],
				['bake, and never less than the longest gate window', formatDuration(spec.bakeMs)],
				['deferred agents are pushed for', formatDuration(spec.deferForMs)],
				['deferred at the end, at most', `${spec.maxDeferredPercent} %`],
				['agents that cannot confirm', code(spec.unconfirmed)],
				['connected agents lost in a minute that make it our fault', `${spec.controlLossPercent} %, at least 5`],
			],
		),
		'## Invariants',
		'D: dispatch, R: rollout. Code and tests cite them by number.',
		tableOf(
			['', 'invariant'],
			Object.entries(invariants).map(([id, text]) => [id, text]),
		),
		'',
	].join('\n\n');
}
