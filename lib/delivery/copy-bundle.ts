import { BUNDLE_FOLDER, bundleEnvironment, bundlePath } from '../../contract';

/** Shell script that copies a bundle and checks its SHA-256, told where by `copyEnvironment`. Runs in the AWS CLI image. */
export const copyScript = [
  'set -eu',
  `aws s3 cp --only-show-errors "$${bundleEnvironment.url}" "$${bundleEnvironment.target}"`,
  `echo "$${bundleEnvironment.sha256}  $${bundleEnvironment.target}" | sha256sum -c -`,
].join('\n');

/** What the script is told. */
export function copyEnvironment(program: string, url: string, sha256: string): Record<string, string> {
  return {
    [bundleEnvironment.url]: url,
    [bundleEnvironment.sha256]: sha256,
    [bundleEnvironment.target]: bundlePath(program),
    // The AWS CLI keeps a session cache under HOME; the volume is the only place that can be written.
    HOME: BUNDLE_FOLDER,
    TMPDIR: BUNDLE_FOLDER,
  };
}
