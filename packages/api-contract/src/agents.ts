import { z } from 'zod';
import { flag, id, instant, pageQuery, reference, versionReference } from './fields.js';

export const agentSort = z.enum(['id', 'hostname', 'last-seen']);

export const agentsQuery = z.strictObject({
	group: reference.optional(),
	connected: flag.optional(),
	healthy: flag.optional(),
	version: z.string().max(200).optional().meta({ description: "The agent's own software version." }),
	config: versionReference.optional().meta({ description: 'The configuration version assigned to it.' }),
	search: z
		.string()
		.max(200)
		.optional()
		.meta({ description: 'Part of hostname, agent type or instance uid, in any case.' }),
	archived: flag.optional().meta({ description: 'true: those that are archived; otherwise those that are not.' }),
	sort: agentSort.default('id'),
	order: z.enum(['asc', 'desc']).default('asc'),
	...pageQuery,
});
export type AgentsQuery = z.infer<typeof agentsQuery>;

const assignment = z.object({
	/** `configuration@number`; null when nothing is wanted any more. */
	version: z.string().nullable(),
	seq: z.number().int(),
	cause: z.enum(['rollout', 'retry', 'restore', 'rollback', 'withdrawal', 'default']),
	rollout: id.nullable(),
	answer: z.enum(['none', 'offered', 'applying', 'applied', 'failed', 'reverted']),
	error: z.string().nullable(),
	effective: z.enum(['unknown', 'match', 'mismatch']),
	effectiveDetail: z.string().nullable(),
	offeredAt: instant.nullable(),
	answeredAt: instant.nullable(),
});

export const agentSummary = z
	.object({
		id,
		instanceUid: id,
		hostname: z.string().nullable(),
		agentType: z.string().nullable(),
		agentVersion: z.string().nullable(),
		group: z.string(),
		connected: z.boolean(),
		gateway: z.string().nullable(),
		healthy: z.boolean().nullable(),
		/** `configuration@number` it should run. */
		config: z.string().nullable(),
		answer: assignment.shape.answer.nullable(),
		/** While connected: now. */
		lastSeenAt: instant,
		/** Away for as long as the settings say; null: it is not archived. Its next session brings it back. */
		archivedAt: instant.nullable(),
	})
	.meta({ id: 'AgentSummary' });
export type AgentSummary = z.infer<typeof agentSummary>;

/** Component types by section, in alphabetical order. */
const componentTypes = z
	.object({
		receivers: z.array(z.string()),
		processors: z.array(z.string()),
		exporters: z.array(z.string()),
		connectors: z.array(z.string()),
		extensions: z.array(z.string()),
	})
	.meta({ id: 'ComponentTypes' });

/** What the builds of agents have, as one agent of each said. */
export const catalogue = z
	.object({
		/** Agent type and version. */
		distribution: z.string(),
		version: z.string(),
		/** What agents call it. */
		hash: z.string(),
		/** Null: no agent has told yet, or none gives details. */
		components: componentTypes.nullable(),
		receivedAt: instant.nullable(),
		agents: z.number().int(),
	})
	.meta({ id: 'ComponentCatalogue' });
export type CatalogueAnswer = z.infer<typeof catalogue>;

export const agent = agentSummary
	.extend({
		/** Uids under which it was known by its identity attributes before, oldest first, the last 20. */
		earlierUids: z.array(id),
		/** Agents whose identity attributes have the same values: they are not told apart when one comes back. At most 20. */
		sharesIdentityWith: z.array(id),
		transport: z.enum(['websocket', 'http']).nullable(),
		disconnectReason: z.enum(['goodbye', 'lost', 'gateway-lost', 'drained']).nullable(),
		capabilities: z.array(z.string()),
		attributes: z.object({
			identifying: z.record(z.string(), z.unknown()),
			nonIdentifying: z.record(z.string(), z.unknown()),
		}),
		/** The agent's own component health tree, as it sent it. */
		health: z.unknown(),
		/** The agent's error text of the last config it refused. */
		applyError: z.string().nullable(),
		reportedStatus: z.enum(['unset', 'applied', 'applying', 'failed']).nullable(),
		reportedHash: z.string().nullable(),
		assignment: assignment.nullable(),
		provenVersion: z.string().nullable(),
		quarantined: z.array(z.object({ version: z.string(), reason: z.string(), at: instant })),
		effectiveConfig: z
			.object({
				receivedAt: instant,
				/** Values of settings that look secret are replaced. */
				files: z.array(z.object({ name: z.string(), contentType: z.string(), body: z.string() })),
			})
			.nullable(),
		/** Null: it names no catalogue. `catalogue` null: nobody knows what is in it. */
		components: z.object({ hash: z.string(), catalogue: componentTypes.nullable() }).nullable(),
		createdAt: instant,
	})
	.meta({ id: 'Agent' });
export type Agent = z.infer<typeof agent>;

export const fleet = z
	.object({
		/** Those that are archived are in none of the other numbers. */
		archived: z.number().int(),
		agents: z.number().int(),
		connected: z.number().int(),
		healthy: z.number().int(),
		unhealthy: z.number().int(),
		/** Without a health report. */
		healthUnknown: z.number().int(),
		byGroup: z.array(z.object({ group: z.string(), agents: z.number().int(), connected: z.number().int() })),
		byVersion: z.array(
			z.object({ agentType: z.string().nullable(), agentVersion: z.string().nullable(), agents: z.number().int() }),
		),
	})
	.meta({ id: 'Fleet' });
