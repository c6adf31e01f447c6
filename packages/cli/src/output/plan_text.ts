import type { RolloutPlan } from '@ampora/api-contract';
import { comparisonText } from './comparison_text.js';
import { findingText } from './finding_text.js';
import { bakeText } from './rollout_text.js';
import { facts, table, when } from './table.js';

type Step = RolloutPlan['steps'][number];
type Forecast = Step['gates'][number]['step'];

function forecastText({ kind, k, n, why }: Forecast): string {
	return kind === 'armed' ? `${k} of ${n}` : `${kind}: ${why}`;
}

const left = ({ skipped, alreadyApplied }: RolloutPlan): string =>
	[
		...(alreadyApplied > 0 ? [`${alreadyApplied} run it already`] : []),
		...Object.entries(skipped).map(([reason, count]) => `${count} ${reason}`),
	].join(', ');

/** Each gate once per step; where the step alone could not fire it, what could is said of all pushed by then. */
function gateRows(steps: readonly Step[]) {
	return steps.flatMap(({ number, gates }) =>
		gates.map(({ gate, thresholdPercent, step, rollout }) => ({
			...{ number, gate, thresholdPercent },
			step: forecastText(step),
			rollout: forecastText(rollout),
		})),
	);
}

const metricRows = (steps: readonly Step[]) =>
	steps.flatMap(({ number, metricGates }) =>
		metricGates.map(({ gate, rule, failures, first, every, why }) => ({
			...{ number, gate, rule },
			asked: why ?? `after ${first}, every ${every}`,
			stops: failures === null ? null : failures === 1 ? 'a failure' : `${failures} failures`,
		})),
	);

const metricTable = (rows: ReturnType<typeof metricRows>): string =>
	table(rows, [
		{ title: 'STEP', value: ({ number }) => number, align: 'right' },
		{ title: 'METRIC GATE', value: ({ gate }) => gate },
		{ title: 'PASSES WHILE', value: ({ rule }) => rule },
		{ title: 'ASKED', value: ({ asked }) => asked },
		{ title: 'STOPS AT', value: ({ stops }) => stops },
	]);

/** Risks with which nothing starts until somebody accepts them. */
const acceptance = {
	'no-way-back': ['acceptNoWayBack', '--accept-no-way-back'],
	'protected-group': ['acceptProtected', '--accept-protected'],
} as const;

const accepting = (risk: string) =>
	risk === 'no-way-back' || risk === 'protected-group' ? acceptance[risk] : undefined;

const riskText = ({ risk, message, action }: RolloutPlan['risks'][number], spec: RolloutPlan['spec']): string => {
	const [field] = accepting(risk) ?? [];
	return `! ${risk}: ${message}\n    ${field !== undefined && spec[field] ? 'Accepted.' : action}\n`;
};

function nextStep({ id, group, version, eligible, risks, spec }: RolloutPlan): string {
	if (eligible === 0) return 'Nobody would be pushed: there is nothing to start now.\n';
	const missing = risks.flatMap(({ risk }) => {
		const [field, option] = accepting(risk) ?? [];
		return field === undefined || spec[field] ? [] : [option];
	});
	if (missing.length > 0) return `It would not start as it is. Plan again with ${missing.join(' ')}\n`;
	return `Start it: ampora rollouts create ${group} ${version} --plan ${id}\n`;
}

/** Risks first, then who when, then what would stop it, then what changes. */
export function planText(plan: RolloutPlan): string {
	const { duration, eligible, risks, spec, steps, comparison, findings } = plan;
	const metrics = metricRows(steps);
	return [
		facts([
			['plan', plan.id],
			['what', `${plan.version} → ${plan.group}`],
			['agents', `${plan.eligible} to be pushed`],
			['left out', left(plan)],
			['sick before', plan.sickBefore],
			['components', `${plan.incompatible} lack some, ${plan.unknown} unknown`],
			['takes', `${duration.least} to ${duration.most}${plan.advancedByHand ? ', and what people take' : ''}`],
			['bake', bakeText(spec)],
			['binds until', when(plan.expiresAt)],
		]),
		...(plan.waitsForAgents ? ['Nobody is connected: nothing happens until somebody is.\n'] : []),
		risks.length === 0 ? (eligible === 0 ? '' : 'No risks.\n') : risks.map((risk) => riskText(risk, spec)).join(''),
		table(steps, [
			{ title: 'STEP', value: ({ number }) => number, align: 'right' },
			{ title: 'NAME', value: ({ name }) => name },
			{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
			{ title: 'AWAY', value: ({ deferred }) => deferred, align: 'right' },
			{ title: 'DWELL', value: ({ dwell }) => dwell },
		]),
		table(gateRows(steps), [
			{ title: 'STEP', value: ({ number }) => number, align: 'right' },
			{ title: 'GATE', value: ({ gate }) => gate },
			{ title: 'ABOVE', value: ({ thresholdPercent }) => `${thresholdPercent} %`, align: 'right' },
			{ title: 'STOPS AT', value: ({ step }) => step },
			{ title: 'OR OF ALL PUSHED', value: ({ rollout }) => rollout },
		]),
		...(metrics.length === 0 ? [] : [metricTable(metrics)]),
		...(findings.length === 0 ? [] : [findings.map((finding) => `${findingText(finding)}\n`).join('')]),
		...(comparison === null ? [] : [comparisonText(comparison)]),
		`Who they are: ampora rollouts plan-agents ${plan.id}, with --about excluded, sick-before and more\n`,
		nextStep(plan),
	].join('\n');
}
