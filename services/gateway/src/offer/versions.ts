import { encodeSharedOffer, type SharedOffer } from '@ampora/opamp';
import type { VersionId } from '@ampora/runtime';
import type { ConfigFile, GatewayStore } from '@ampora/store';

/** One immutable version: its files, and its offer as encoded for the hash it was last offered under. */
export interface CachedVersion {
	readonly files: readonly ConfigFile[];
	readonly bytes: number;
	/** The part of the message that is the same for every agent. */
	offerOf(offeredHash: Uint8Array): SharedOffer;
}

/** The bodies of versions, each read once and kept while they are used; the least recently used go when there are too many bytes. */
export class VersionCache {
	readonly #cached = new Map<VersionId, CachedVersion>();
	readonly #reading = new Map<VersionId, Promise<CachedVersion | null>>();
	#bytes = 0;

	constructor(
		private readonly store: Pick<GatewayStore, 'versionFiles'>,
		private readonly bytesMax: number,
	) {}

	/** Null: there is no such version. Throws `StoreUnavailable` when it has to be read and cannot be. */
	async get(versionId: VersionId): Promise<CachedVersion | null> {
		const cached = this.#cached.get(versionId);
		if (cached) {
			this.#cached.delete(versionId);
			this.#cached.set(versionId, cached);
			return cached;
		}
		const underWay = this.#reading.get(versionId) ?? this.#read(versionId);
		this.#reading.set(versionId, underWay);
		return underWay.finally(() => this.#reading.delete(versionId));
	}

	async #read(versionId: VersionId): Promise<CachedVersion | null> {
		const found = await this.store.versionFiles(versionId);
		if (!found) return null;
		const version = cachedVersion(found.files);
		this.#cached.set(versionId, version);
		this.#bytes += version.bytes;
		for (const [id, oldest] of this.#cached) {
			if (this.#bytes <= this.bytesMax || id === versionId) break;
			this.#cached.delete(id);
			this.#bytes -= oldest.bytes;
		}
		return version;
	}
}

function cachedVersion(files: readonly ConfigFile[]): CachedVersion {
	const map = new Map(files.map(({ name, body, contentType }) => [name, { body, contentType }]));
	const bytes = files.reduce((sum, { body }) => sum + body.length, 0);
	let last: { readonly hash: Uint8Array; readonly offer: SharedOffer } | null = null;
	return {
		files,
		// Twice: the files, and the encoded offer.
		bytes: 2 * bytes,
		offerOf(configHash) {
			if (last && Buffer.compare(last.hash, configHash) === 0) return last.offer;
			last = { hash: configHash, offer: encodeSharedOffer({ files: map, configHash }) };
			return last.offer;
		},
	};
}
