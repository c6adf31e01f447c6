import { z } from 'zod';
import { id, instant, name, reference, versionReference } from './fields.js';

export const filesMax = 32;

/** A file's body is UTF-8 text, kept byte for byte. */
export const configFile = z.strictObject({
	name: z.string().max(255).default(''),
	contentType: z.string().max(255).default('text/yaml'),
	body: z.string(),
});

/** Several files, or one given as `yaml`. */
const filesGiven = { files: z.array(configFile).min(1).max(filesMax).optional(), yaml: z.string().optional() };
const given = ({ files, yaml }: { files?: unknown; yaml?: unknown }) => (files === undefined) !== (yaml === undefined);
const givenOnce = 'give either "yaml" (one file) or "files", not both and not neither';
export const filesInput = z.strictObject(filesGiven).refine(given, givenOnce);
export type FilesInput = z.infer<typeof filesInput>;

const forGroup = {
	group: reference.optional().meta({ description: 'Warn too of what the agents of this group lack.' }),
};
export const filesValidation = z.strictObject({ ...filesGiven, ...forGroup }).refine(given, givenOnce);
export const validationQuery = z.strictObject(forGroup);

export const configurationInput = z.strictObject({ name });

export const versionState = z.enum(['Draft', 'Published', 'Archived']);

export const versionSummary = z
	.object({
		id,
		configuration: z.string(),
		number: z.number().int(),
		/** What a rollout takes as its version. */
		ref: z.string(),
		state: versionState,
		contentHash: z.string(),
		/** The same for versions of the same meaning; null for files that cannot be read, and for versions older than it. */
		semanticHash: z.string().nullable(),
		files: z.array(z.object({ name: z.string(), contentType: z.string(), bytes: z.number().int() })),
		createdBy: z.string(),
		createdAt: instant,
		publishedAt: instant.nullable(),
	})
	.meta({ id: 'VersionSummary' });
export type VersionSummary = z.infer<typeof versionSummary>;

export const finding = z
	.object({
		code: z.string(),
		severity: z.enum(['error', 'warning']).meta({ description: 'error: it cannot be published.' }),
		file: z.string(),
		line: z.number().int(),
		column: z.number().int(),
		path: z.string(),
		message: z.string(),
		fix: z.string(),
	})
	.meta({ id: 'Finding' });
export type ConfigFinding = z.infer<typeof finding>;

export const version = versionSummary
	.extend({ files: z.array(z.object({ name: z.string(), contentType: z.string(), body: z.string() })) })
	.meta({ id: 'Version' });
export type Version = z.infer<typeof version>;

/** Findings of severity `error` block publishing; `publishable` says whether there are none. What the agents of a group lack is a warning. */
export const validation = z.object({ publishable: z.boolean(), findings: z.array(finding) }).meta({ id: 'Validation' });
export type Validation = z.infer<typeof validation>;

export const compatibilityQuery = z.strictObject({
	group: reference.optional().meta({ description: 'Only agents of this group.' }),
	agent: reference.optional().meta({ description: 'Only this agent.' }),
});
const fit = z.enum(['has', 'lacks', 'unknown']);
const count = z.number().int();
/** Whether agents have the components that a version configures. Unknown is not compatible: nobody can say. */
export const versionCompatibility = z
	.object({
		version: z.string(),
		/** Written `receivers/otlp`. */
		needs: z.array(z.string()),
		agents: count,
		has: count,
		lacks: count,
		unknown: count,
		/** What is lacking, and to how many agents, with some of them. */
		missing: z.array(z.object({ component: z.string(), agents: count, examples: z.array(id) })),
		/** The same by kind of agent. */
		builds: z.array(
			z.object({
				distribution: z.string(),
				version: z.string(),
				hash: z.string().nullable(),
				agents: count,
				fit,
				lacks: z.array(z.string()),
			}),
		),
	})
	.meta({ id: 'VersionCompatibility' });
export type VersionCompatibility = z.infer<typeof versionCompatibility>;

export const published = z
	.object({ version: versionSummary, findings: z.array(finding) })
	.meta({ id: 'PublishedVersion' });

export const configuration = z
	.object({
		id,
		name: z.string(),
		createdAt: instant,
		versions: z.number().int(),
		latest: versionSummary.nullable(),
		latestPublished: versionSummary.nullable(),
	})
	.meta({ id: 'Configuration' });
export type Configuration = z.infer<typeof configuration>;

export const comparisonQuery = z.strictObject({
	from: versionReference.optional().meta({ description: 'The older of the two; the version before it when left out.' }),
});

const edit = z
	.object({
		op: z.enum(['add', 'remove', 'change', 'reorder']),
		path: z.string(),
		/** As JSON; what secret-bearing keys hold is hidden. */
		before: z.string().nullable(),
		after: z.string().nullable(),
		kind: z.enum([
			...(['receiver', 'processor', 'exporter', 'connector', 'extension'] as const),
			...(['pipeline', 'telemetry', 'service', 'other'] as const),
		]),
		pipelines: z.array(z.string()),
	})
	.meta({ id: 'ConfigEdit' });
export type ConfigEdit = z.infer<typeof edit>;

/** What differs between two versions: by meaning, and in the text as published; secrets are hidden in both. */
export const versionComparison = z
	.object({
		from: z.string(),
		to: z.string(),
		/** No agent would run anything else. */
		sameMeaning: z.boolean(),
		edits: z.array(edit),
		/** Paths of the edits after which an agent may not find back to its server. */
		managementPath: z.array(z.string()),
		/** Paths of the edits that send data elsewhere. */
		endpoints: z.array(z.string()),
		removedPipelines: z.array(z.string()),
		/** A unified diff, file by file; secrets are `(hidden)`, or `(hidden, changed)` where another stood there before. */
		text: z.string(),
	})
	.meta({ id: 'VersionComparison' });
export type VersionComparison = z.infer<typeof versionComparison>;
