/** What a small collector runs: the demo's agents do not look at more than the marker below. */
const collector = (batchTimeout: string, extra = '') => `receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:4317
processors:
  batch:
    timeout: ${batchTimeout}
${extra}exporters:
  debug: {}
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch${extra === '' ? '' : ', tail_sampling'}]
      exporters: [debug]
`;

export const baseline = collector('5s');

/** Some agents run a build without this processor: they refuse the configuration. */
export const brokenMarker = 'tail_sampling:';
export const broken = collector('1s', `  ${brokenMarker}\n    policies: []\n`);
export const brokenError = 'unknown processor "tail_sampling": this build does not have it';
/** So large a share of the agents refuses it. */
export const brokenShare = 0.3;

export const corrected = collector('1s');
