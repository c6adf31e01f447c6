import { type Calendar, type RolloutSpec, resolveSpec } from '@ampora/rollout';
import type { GroupId } from '@ampora/runtime';
import type { Repositories } from '@ampora/store';
import { gateDefaults } from './settings.js';

/** What people have decided about newcomers: when their group may change, and how long what is watched for. */
export const enrolmentRules = (repositories: Pick<Repositories, 'calendar' | 'settings'>) => ({
	calendarOf: (groupId: GroupId): Promise<Calendar> => repositories.calendar.of(groupId),
	spec: async (): Promise<RolloutSpec> => resolveSpec({ seed: 'enrolment' }, await gateDefaults(repositories)),
});
