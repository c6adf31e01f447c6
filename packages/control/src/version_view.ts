import type { FilesInput, Version, VersionSummary } from '@ampora/api-contract';
import { parseConfig, semanticHash as semanticHashOf } from '@ampora/collector-config';
import { configHash } from '@ampora/opamp';
import type { VersionRow } from '@ampora/store';

export type StoredFiles = Pick<VersionRow, 'files' | 'contentHash' | 'semanticHash'>;
type StoredFile = VersionRow['files'][number];

export const bodyOf = ({ body }: StoredFile): Buffer => Buffer.from(body, 'base64');
export const refOf = ({ configuration, number }: Pick<VersionRow, 'configuration' | 'number'>): string =>
	`${configuration}@${number}`;

/** What a request gives, byte for byte, in name order, with the hashes of its content and of its meaning. */
export function storedFiles({ files, yaml }: FilesInput): StoredFiles {
	const given = files ?? [{ name: '', contentType: 'text/yaml', body: yaml ?? '' }];
	const inOrder = [...given].sort((a, b) => (a.name < b.name ? -1 : 1));
	const byName = inOrder.map((file) => [file.name, { ...file, body: Buffer.from(file.body) }] as const);
	return {
		files: byName.map(([, { name, contentType, body }]) => ({ name, contentType, body: body.toString('base64') })),
		contentHash: configHash(new Map(byName)),
		semanticHash: meaningOf(inOrder),
	};
}

/** Null for files that cannot be read, as a draft's may be. */
function meaningOf(files: Parameters<typeof parseConfig>[0]): Buffer | null {
	const parsed = parseConfig(files);
	return parsed.ok ? Buffer.from(semanticHashOf(parsed.document), 'hex') : null;
}

export function toVersionSummary(row: VersionRow): VersionSummary {
	const { id, configuration, number, state, contentHash, semanticHash, files, createdBy, createdAt, publishedAt } = row;
	return {
		id,
		configuration,
		number,
		ref: refOf(row),
		state,
		contentHash: Buffer.from(contentHash).toString('hex'),
		semanticHash: semanticHash === null ? null : Buffer.from(semanticHash).toString('hex'),
		files: files.map((file) => ({ name: file.name, contentType: file.contentType, bytes: bodyOf(file).length })),
		createdBy,
		createdAt: createdAt.toISOString(),
		publishedAt: publishedAt?.toISOString() ?? null,
	};
}

export function toVersion(row: VersionRow): Version {
	const files = row.files.map((file) => ({
		name: file.name,
		contentType: file.contentType,
		body: bodyOf(file).toString('utf8'),
	}));
	return { ...toVersionSummary(row), files };
}
