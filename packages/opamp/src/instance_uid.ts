import { instanceUidBytes } from './limits.js';

declare const brand: unique symbol;
/** An agent's instance_uid as canonical UUID text: lower case, 8-4-4-4-12. Any 16 bytes have one (C-39). */
export type InstanceUid = string & { readonly [brand]: 'InstanceUid' };

const canonical = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `bytes` must be 16 bytes long. */
export function uidText(bytes: Uint8Array): InstanceUid {
	if (bytes.length !== instanceUidBytes) throw new RangeError(`an instance_uid has 16 bytes, not ${bytes.length}`);
	const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as InstanceUid;
}

export function uidBytes(uid: InstanceUid): Uint8Array {
	return Buffer.from(uid.replaceAll('-', ''), 'hex');
}

/** Reads text a person or a header gave, in either case; undefined when it is no UUID. */
export function parseUid(text: string): InstanceUid | undefined {
	const lower = text.toLowerCase();
	return canonical.test(lower) ? (lower as InstanceUid) : undefined;
}
