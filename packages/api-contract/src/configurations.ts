import { z } from 'zod';
import { id, instant, name } from './fields.js';

export const filesMax = 32;

/** A file's body is UTF-8 text, kept byte for byte. */
export const configFile = z.strictObject({
	name: z.string().max(255).default(''),
	contentType: z.string().max(255).default('text/yaml'),
	body: z.string(),
});

/** Several files, or one given as `yaml`. */
export const filesInput = z
	.strictObject({ files: z.array(configFile).min(1).max(filesMax).optional(), yaml: z.string().optional() })
	.refine(
		({ files, yaml }) => (files === undefined) !== (yaml === undefined),
		'give either "yaml" (one file) or "files", not both and not neither',
	);
export type FilesInput = z.infer<typeof filesInput>;

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
		severity: z.enum(['error', 'warning']),
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

/** Findings of severity `error` block publishing; `publishable` says whether there are none. */
export const validation = z.object({ publishable: z.boolean(), findings: z.array(finding) }).meta({ id: 'Validation' });
export type Validation = z.infer<typeof validation>;

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
