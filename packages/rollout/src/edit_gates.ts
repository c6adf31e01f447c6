import type { Command, GateEdit, MetricGateEdit } from './decision.js';
import type { Draft } from './draft.js';
import { valueEdited } from './metric_gates.js';
import type { GateName, GateSpec, MetricGateSpec } from './model.js';
import { byGate, gateNames } from './names.js';
import { type Refusal, refuse } from './refusal.js';
import { validateSpec } from './spec.js';

/** Tighter in any state before the end; looser only while the rollout is paused, so that nothing slips through between two looks. */
export function editGates(draft: Draft, command: Command, by: string): Refusal {
	const { rollout } = draft;
	const { gates: asked = {}, metricGates: askedOfMetrics = {} } = command;
	const edited = gateNames.filter((gate) => asked[gate] !== undefined);
	const metrics = editedMetrics(rollout.spec.metricGates ?? [], askedOfMetrics);
	if (typeof metrics === 'string') return refuse('not-allowed', `edit-gates: ${metrics}`);
	if (edited.length + metrics.length === 0) return refuse('not-allowed', 'edit-gates: name at least one gate');
	const gates = byGate((gate) => ({ ...rollout.spec.gates[gate], ...asked[gate] }));
	const metricGates = (rollout.spec.metricGates ?? []).map(
		(gate) => metrics.find(({ is }) => is.name === gate.name)?.is ?? gate,
	);
	const spec = { ...rollout.spec, gates, metricGates };
	const [problem] = validateSpec(spec).filter(({ path }) => /^(gates\.|metricGates\b)/.test(path));
	if (problem !== undefined) {
		return refuse('not-allowed', `edit-gates: ${problem.path}: ${problem.message}; ${problem.fix}`);
	}
	const looser = [
		...edited.flatMap((gate) => whyLooser(gate, rollout.spec.gates[gate], gates[gate])),
		...metrics.flatMap(whyLooserMetric),
	];
	if (looser.length > 0 && rollout.state !== 'Paused') {
		return refuse(
			'looser-gate',
			`edit-gates: ${looser.join('; ')}; a gate is made looser only while the rollout is paused, and this one is ${rollout.state}`,
		);
	}
	const changes = [
		...edited.map((gate) => `${gate}: ${text(rollout.spec.gates[gate])} → ${text(gates[gate])}`),
		...metrics.map(metricText),
	];
	draft.patch({ spec, editedGates: gates, ...(metrics.length > 0 && { editedMetricGates: metricGates }) });
	for (const { was, is } of metrics) if (was.value !== is.value) valueEdited(draft, is);
	draft.event({ kind: 'gates-edited', changes, why: by });
	return null;
}

interface EditedMetric {
	readonly was: MetricGateSpec;
	readonly is: MetricGateSpec;
}

const limits = ['failureLimit', 'inconclusiveLimit', 'errorLimit'] as const;

/** The metric gates named, before and after; in words, which there are where one is named that is none of them. */
function editedMetrics(
	gates: readonly MetricGateSpec[],
	asked: Readonly<Record<string, MetricGateEdit>>,
): readonly EditedMetric[] | string {
	const edited: EditedMetric[] = [];
	for (const [name, edit] of Object.entries(asked)) {
		const was = gates.find((gate) => gate.name === name);
		if (was === undefined) {
			const known =
				gates.length === 0 ? 'this rollout has none' : `it has ${gates.map((gate) => gate.name).join(', ')}`;
			return `there is no metric gate ${name}; ${known}`;
		}
		const { value = was.value } = edit;
		const counts = Object.fromEntries(limits.map((limit) => [limit, edit[limit] ?? was[limit]]));
		edited.push({ was, is: { ...was, value, ...counts } });
	}
	return edited;
}

function whyLooserMetric({ was, is }: EditedMetric): readonly string[] {
	const atLeast = was.op === '>' || was.op === '>=';
	const value = atLeast ? is.value < was.value : is.value > was.value;
	const higher = limits.filter((limit) => is[limit] > was[limit]);
	return [
		...(value ? [`${was.name} ${was.op} ${is.value} is looser than ${was.op} ${was.value}`] : []),
		...higher.map((limit) => `${was.name} with ${limit} ${is[limit]} is looser than with ${was[limit]}`),
	];
}

const metricText = ({ was, is }: EditedMetric): string =>
	`${was.name}: ${(['value', ...limits] as const)
		.filter((field) => was[field] !== is[field])
		.map((field) => `${field} ${was[field]} → ${is[field]}`)
		.join(', ')}`;

function whyLooser(gate: GateName, before: GateSpec, after: GateSpec): readonly string[] {
	const told: readonly [is: number, was: number, unit: string][] = [
		[after.thresholdPercent, before.thresholdPercent, ' %'],
		[after.minSample ?? 0, before.minSample ?? 0, ' agents'],
	];
	return told
		.filter(([is, was]) => is > was)
		.map(([is, was, unit]) => `${gate} of ${is}${unit} is looser than ${was}${unit}`);
}

const text = ({ thresholdPercent, minSample }: Required<Pick<GateEdit, 'thresholdPercent'>> & GateEdit): string =>
	`${thresholdPercent} %${minSample ? ` from ${minSample} agents on` : ''}`;
