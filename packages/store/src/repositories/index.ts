// Plain queries of the use cases, over drizzle. What gateways and the engine do under load is set-based SQL elsewhere.

import type { Orm } from '../database.js';
import { repeating } from '../sql.js';
import { agentsOn } from './agents.js';
import { auditOn } from './audit.js';
import { calendarOn } from './calendar.js';
import { cataloguesOn } from './catalogues.js';
import { commandsOn } from './commands.js';
import { configurationsOn } from './configurations.js';
import { driverError } from './drizzle.js';
import { groupsOn } from './groups.js';
import { plansOn } from './plans.js';
import { rolloutsOn } from './rollouts.js';
import { selectionOn } from './selection.js';
import { settingsOn } from './settings.js';
import { tokensOn } from './tokens.js';

const repositoriesOn = (db: Orm) => ({
	configurations: configurationsOn(db),
	groups: groupsOn(db),
	agents: agentsOn(db),
	catalogues: cataloguesOn(db),
	calendar: calendarOn(db),
	plans: plansOn(db),
	rollouts: rolloutsOn(db),
	selection: selectionOn(db),
	commands: commandsOn(db),
	settings: settingsOn(db),
	tokens: tokensOn(db),
	audit: auditOn(db),
});
export type Repositories = ReturnType<typeof repositoriesOn>;

/** Reads outside a transaction, and units of work: all writes of `work` are committed together, or none when it throws. Repeated when a deadlock chose it. */
export interface ControlStore extends Repositories {
	transaction<T>(work: (repositories: Repositories) => Promise<T>): Promise<T>;
}

async function unwrapped<T>(work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		throw driverError(error);
	}
}

export const createControlStore = (db: Orm): ControlStore => ({
	...repositoriesOn(db),
	transaction: (work) => repeating(() => unwrapped(() => db.transaction((inside) => work(repositoriesOn(inside))))),
});

export type { AgentFilter, AgentOrder, AgentRow } from './agents.js';
export type { AuditFilter, AuditRow, NewAuditRow } from './audit.js';
export type { ChangeWindowRow, FreezeRow } from './calendar.js';
export type { BuildRow, CatalogueKey, CatalogueRow } from './catalogues.js';
export type { CommandRow, NewCommand } from './commands.js';
export { activeStates, type ConfigurationRow, type VersionPointers, type VersionRow } from './configurations.js';
export { type Cursor, foreignKeyViolation, isStoreAway, type Page, uniqueViolation } from './drizzle.js';
export type { GroupGives, GroupRow, OverlapRow, SelectorErrorRow } from './groups.js';
export type { PlannableMember, PlannedAgentRow, PlanRow } from './plans.js';
export type { EventRow, NewRollout, RolloutFilter, RolloutRow, TargetRow } from './rollouts.js';
export type { DynamicGroupRow, PreviewSubject } from './selection.js';
export type { ApiTokenRow, EnrollmentTokenRow } from './tokens.js';
