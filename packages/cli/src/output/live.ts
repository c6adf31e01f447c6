import type { RolloutAnswer } from '@ampora/api-contract';
import type { TextSink } from '../io.js';
import {
	agentsText,
	bar,
	closedText,
	countsOf,
	dwellText,
	nowText,
	stateText,
	stepName,
	troubleOf,
} from './rollout_text.js';

/** Shows a rollout as it goes. */
export interface LiveView {
	show(rollout: RolloutAnswer): void;
	/** Leaves what is shown standing. */
	end(): void;
}

const clearBelow = '\u001b[J';
const up = (lines: number): string => (lines > 0 ? `\u001b[${lines}A\r` : '\r');
const barWidth = 30;

/** A picture that is drawn over: one bar per step. */
function terminalView(sink: TextSink): LiveView {
	let drawn = 0;
	return {
		show(rollout) {
			// A line that wraps would be counted once and drawn twice.
			const lines = picture(rollout).map((line) => [...line].slice(0, Math.max(20, sink.columns - 1)).join(''));
			sink.write(`${up(drawn)}${clearBelow}${lines.join('\n')}\n`);
			drawn = lines.length;
		},
		end: () => {},
	};
}

function picture(rollout: RolloutAnswer): string[] {
	const nameWidth = Math.max(...rollout.steps.map((step) => stepName(step).length), 4);
	const now = nowText(rollout);
	const going = rollout.state === 'InProgress' || rollout.state === 'Paused';
	const steps = rollout.steps.map((step) => {
		const tail = [countsOf(step), going ? dwellText(step) : '', troubleOf(step.states)];
		return `${String(step.number).padStart(3)} ${stepName(step).padEnd(nameWidth)} ${bar(step, barWidth)} ${tail.filter(Boolean).join('  ')}`;
	});
	const notes = [
		...rollout.evidence.map(({ message }) => `  ! ${message}`),
		...rollout.errors.slice(0, 3).map(({ agents, error }) => `  ${agents} × ${error.split('\n')[0]}`),
		...(rollout.baking && now.what !== '' ? [`  ${now.what}${now.left}`] : []),
		...(rollout.closed === null ? [] : [`  ${closedText(rollout.closed)}`]),
		...(rollout.holding === null ? [] : [`  holding: ${rollout.holding}`]),
		...(rollout.waitsFor === null ? [] : [`  waits for: ${rollout.waitsFor}`]),
	];
	return [
		`${rollout.version.ref} → ${rollout.group.name}  ${stateText(rollout)}`,
		...steps,
		`  ${rollout.headline}`,
		...notes,
	];
}

/** A line whenever something changed, for logs and pipes. */
function lineView(sink: TextSink): LiveView {
	let last = '';
	return {
		show(rollout) {
			const line = oneLine(rollout);
			const { what, left } = nowText(rollout);
			const news = what === '' ? line : `${line}; ${what}`;
			// A clock that goes on is no news.
			if (news === last) return;
			last = news;
			sink.write(`${news}${left}\n`);
		},
		end: () => {},
	};
}

function oneLine(rollout: RolloutAnswer): string {
	const { step, evidence } = rollout;
	const place = step === null ? '' : ` step ${step.number}/${step.of}${step.name === null ? '' : ` ${step.name}`}`;
	const { Deferred } = rollout.states;
	const trouble = [troubleOf(rollout.states), Deferred > 0 ? `${Deferred} deferred` : ''].filter(Boolean).join(', ');
	const fired = evidence.at(-1)?.message;
	const parts = [agentsText(rollout), trouble, fired ?? ''].filter(Boolean);
	return `${stateText(rollout)}${place}: ${parts.join('; ')}`;
}

export const liveView = (sink: TextSink): LiveView => (sink.isTTY ? terminalView(sink) : lineView(sink));

/** One JSON object per change. */
export const jsonLines = (sink: TextSink): LiveView => ({
	show: (rollout) => sink.write(`${JSON.stringify(rollout)}\n`),
	end: () => {},
});
