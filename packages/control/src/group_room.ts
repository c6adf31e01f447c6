import { type GroupId, ok } from '@ampora/runtime';
import type { Repositories } from '@ampora/store';
import { type Outcome, refuse } from './errors.js';

/** Every new agent is looked at by every selector. */
const dynamicGroupsMax = 1_000;

/** Is there room for one more dynamic group. */
export async function roomFor({ selection }: Repositories, id: GroupId, selector: string | null): Outcome<null> {
	const others = selector === null ? [] : (await selection.dynamicGroups()).filter((group) => group.id !== id);
	if (others.length < dynamicGroupsMax) return ok(null);
	const action = 'Delete a group that is not needed, or make it static.';
	return refuse('invalid-argument', `there are ${dynamicGroupsMax} dynamic groups already`, { action });
}
