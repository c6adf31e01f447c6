import { gunzip, gzip, gzipSync } from 'node:zlib';
import { err, ok, type Result } from '@ampora/runtime';

export type CodingError = 'corrupt-encoding' | 'unsupported-encoding' | 'too-large';

/** The body as it was before it was coded. Never inflates more than `bytesMax`. */
export function decodeBody(
	body: Buffer,
	contentEncoding: string | undefined,
	bytesMax: number,
): Promise<Result<Buffer, CodingError>> {
	const coding = (contentEncoding ?? 'identity').trim().toLowerCase();
	if (coding === 'identity' || coding === '') return Promise.resolve(ok(body));
	if (coding !== 'gzip' && coding !== 'x-gzip') return Promise.resolve(err('unsupported-encoding'));
	return new Promise((resolve) => {
		gunzip(body, { maxOutputLength: bytesMax }, (error, inflated) => {
			if (!error) return resolve(ok(inflated));
			const code = (error as NodeJS.ErrnoException).code;
			resolve(err(code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'corrupt-encoding'));
		});
	});
}

/** Does an Accept-Encoding header allow gzip. Absent: no. A quality of 0 forbids; `gzip` counts before `*`. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
	const qualities = new Map((acceptEncoding ?? '').split(',').map(codingQuality));
	return (qualities.get('gzip') ?? qualities.get('x-gzip') ?? qualities.get('*') ?? 0) > 0;
}

function codingQuality(item: string): [coding: string, quality: number] {
	const [coding = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
	const given = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
	const quality = given === undefined ? 1 : Number(given);
	return [coding, Number.isFinite(quality) ? quality : 0];
}

/** Below, compressing at once costs less than handing it to another thread. */
const atOnceBytesMax = 2_048;

export function compress(body: Uint8Array): Buffer | Promise<Buffer> {
	if (body.length <= atOnceBytesMax) return gzipSync(body);
	return new Promise((resolve, reject) => {
		gzip(body, (error, compressed) => (error ? reject(error) : resolve(compressed)));
	});
}
