import { Token } from 'aws-cdk-lib';
import type { k8s } from 'cdk8s-plus-28';
import { BUNDLE_FOLDER, runtimeImages } from '../../contract';
import { bundleFile } from '../delivery/bundle-file';
import { copyEnvironment, copyScript } from '../delivery/copy-bundle';
import { problem } from '../problem';
import { resourceRequirements } from './hardened-pod';

export interface BundleLocation {
  /** Where the bundle is: `s3://bucket/key`. The pod's role must be allowed to read it, see `RuntimeBundle`. */
  readonly url: string;
  /**
   * SHA-256 of the bundle, hexadecimal. The pod does not start with another.
   *
   * @default - that of the bundle in this package
   */
  readonly sha256?: string;
  /**
   * Image that runs the bundle: Node.
   *
   * @default - public.ecr.aws/docker/library/node:24.21.0-bookworm-slim
   */
  readonly nodeImage?: string;
  /**
   * Image that copies the bundle: the AWS CLI.
   *
   * @default - public.ecr.aws/aws-cli/aws-cli:2.36.44
   */
  readonly awsCliImage?: string;
}

/** What a pod that runs the program is made of. */
export interface PodRuntime {
  readonly image: string;
  readonly initContainers: readonly k8s.Container[];
  readonly volumes: readonly k8s.Volume[];
  readonly mounts: readonly k8s.VolumeMount[];
}

/** How a pod gets the runtime. In each way the program lies at `/holdfast/<program>.mjs` and `node` runs it. */
export class ContainerCode {
  /**
   * An image of your own that holds the program, as the one of `runtime/Dockerfile` does: `registry/name:tag` or
   * `registry/name@sha256:…`.
   *
   * @throws Error for an image without tag and digest, or with the tag `latest`
   */
  static image(image: string): ContainerCode {
    checkImage('image', image);
    return new ContainerCode(() => ({ image, initContainers: [], volumes: [], mounts: [] }));
  }

  /**
   * A stock Node image runs the prebuilt bundle, which an init container copies from a bucket, with the pod's own role, and
   * checks. Needs no registry and no Docker.
   *
   * @throws Error for a location that is none, or an image without tag and digest
   */
  static bundle(location: BundleLocation): ContainerCode {
    const { url, nodeImage = stock(runtimeImages.node), awsCliImage = stock(runtimeImages.awsCli) } = location;
    if (!Token.isUnresolved(url) && !/^s3:\/\/[^/]+\/.+/.test(url)) {
      throw problem({
        what: 'url of the bundle',
        got: JSON.stringify(url),
        expected: 's3://bucket/key',
        fix: 'copy the bundle into a bucket, or use RuntimeBundle in a CDK app',
      });
    }
    checkImage('nodeImage', nodeImage);
    checkImage('awsCliImage', awsCliImage);
    return new ContainerCode((program, aws) => ({
      image: nodeImage,
      initContainers: [
        {
          name: 'bundle',
          image: awsCliImage,
          command: ['/bin/sh', '-c', copyScript],
          env: [
            ...aws,
            ...Object.entries(copyEnvironment(program, url, location.sha256 ?? bundleFile(program).sha256)).map(
              ([name, value]) => ({ name, value }),
            ),
          ],
          resources: resourceRequirements({
            memoryRequest: '128Mi',
            memoryLimit: '256Mi',
            cpuRequest: '100m',
            cpuLimit: '500m',
          }),
          volumeMounts: [{ name: VOLUME, mountPath: BUNDLE_FOLDER }],
        },
      ],
      volumes: [{ name: VOLUME, emptyDir: {} }],
      mounts: [{ name: VOLUME, mountPath: BUNDLE_FOLDER, readOnly: true }],
    }));
  }

  private constructor(private readonly make: (program: string, aws: readonly k8s.EnvVar[]) => PodRuntime) {}

  /** What the pod of a program needs. `aws`: the variables with which its containers reach AWS. @internal */
  bind(program: string, aws: readonly k8s.EnvVar[]): PodRuntime {
    return this.make(program, aws);
  }
}

const VOLUME = 'runtime';

function stock({ repository, tag }: { readonly repository: string; readonly tag: string }): string {
  return `${repository}:${tag}`;
}

function checkImage(prop: string, image: string): void {
  if (Token.isUnresolved(image) || /(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$/.test(image)) return;
  throw problem({
    what: prop,
    got: JSON.stringify(image),
    expected: 'an image with its digest, or with a tag other than "latest"',
    fix: 'name the version that is to run: a pod that starts again must start the same program',
  });
}
