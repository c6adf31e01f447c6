import type { Command, GateEdit } from './decision.js';
import type { Draft } from './draft.js';
import type { GateName, GateSpec } from './model.js';
import { byGate, gateNames } from './names.js';
import { type Refusal, refuse } from './refusal.js';
import { validateSpec } from './spec.js';

/** Tighter in any state before the end; looser only while the rollout is paused, so that nothing slips through between two looks. */
export function editGates(draft: Draft, { gates: asked = {} }: Command, by: string): Refusal {
	const { rollout } = draft;
	const edited = gateNames.filter((gate) => asked[gate] !== undefined);
	if (edited.length === 0) return refuse('not-allowed', 'edit-gates: name at least one gate');
	const gates = byGate((gate) => ({ ...rollout.spec.gates[gate], ...asked[gate] }));
	const spec = { ...rollout.spec, gates };
	const [problem] = validateSpec(spec).filter(({ path }) => path.startsWith('gates.'));
	if (problem !== undefined) {
		return refuse('not-allowed', `edit-gates: ${problem.path}: ${problem.message}; ${problem.fix}`);
	}
	const looser = edited.flatMap((gate) => whyLooser(gate, rollout.spec.gates[gate], gates[gate]));
	if (looser.length > 0 && rollout.state !== 'Paused') {
		return refuse(
			'looser-gate',
			`edit-gates: ${looser.join('; ')}; a gate is made looser only while the rollout is paused, and this one is ${rollout.state}`,
		);
	}
	const changes = edited.map((gate) => `${gate}: ${text(rollout.spec.gates[gate])} → ${text(gates[gate])}`);
	draft.patch({ spec, editedGates: gates });
	draft.event({ kind: 'gates-edited', changes, why: by });
	return null;
}

function whyLooser(gate: GateName, before: GateSpec, after: GateSpec): readonly string[] {
	const told: readonly [is: number, was: number, unit: string][] = [
		[after.thresholdPercent, before.thresholdPercent, ' %'],
		[after.minSample ?? 0, before.minSample ?? 0, ' agents before it judges'],
	];
	return told.filter(([is, was]) => is > was).map(([is, was, unit]) => `${gate} of ${is}${unit} is looser than ${was}`);
}

const text = ({ thresholdPercent, minSample }: Required<Pick<GateEdit, 'thresholdPercent'>> & GateEdit): string =>
	`${thresholdPercent} %${minSample ? ` from ${minSample} agents on` : ''}`;
