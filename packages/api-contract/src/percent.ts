import type { StepSize } from '@ampora/rollout';
import { err, ok, type Result } from '@ampora/runtime';

/** `20`, `"20"`, `"20 %"` → 20. Whole percents from 0 to 100: gates compare integers only. */
export function parsePercent(given: string | number): Result<number, string> {
	const text = String(given).trim();
	const digits = /^(\d+)\s*%?$/.exec(text)?.[1];
	if (digits === undefined)
		return err(`"${text}" is no percentage; write a whole number from 0 to 100, like 20 or "20 %"`);
	const percent = Number(digits);
	return percent <= 100 ? ok(percent) : err(`${digits} % is above 100 %; write a whole number from 0 to 100`);
}

/** `"5 %"` is a share of the group, `10` or `"10"` a number of agents; both are cumulative. */
export function parseStepSize(given: string | number): Result<StepSize, string> {
	const text = String(given).trim();
	if (text.endsWith('%')) {
		const percent = parsePercent(text);
		if (!percent.ok) return percent;
		return percent.value > 0
			? ok({ kind: 'percent', value: percent.value })
			: err('a step of 0 % changes nobody; remove it');
	}
	if (!/^\d{1,9}$/.test(text))
		return err(`"${text}" is no step size; write "5 %" for a share or 10 for a number of agents`);
	const count = Number(text);
	return count > 0 ? ok({ kind: 'count', value: count }) : err('a step of 0 agents changes nobody; remove it');
}
