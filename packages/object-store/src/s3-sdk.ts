import type {
  GetObjectCommandInput,
  PutObjectCommandInput,
  PutObjectCommandOutput,
  S3,
} from '@aws-sdk/client-s3'
import type { Patience } from './patience.ts'
import type { WireGet } from './s3-signature.ts'
import type { S3Settings } from './settings.ts'

interface Client {
  client: S3
  signGetObject: (client: S3, input: GetObjectCommandInput) => Promise<WireGet>
  putObject: (
    client: S3,
    input: PutObjectCommandInput,
    options: { sha256: string; abortSignal?: AbortSignal },
  ) => Promise<PutObjectCommandOutput>
}

/** The SDK, loaded when a request needs it: that takes a quarter of a second, which reads over lean connections can do without. */
export class S3Sdk {
  private readonly settings: S3Settings
  private readonly patience: Patience
  private loaded: Promise<Client> | undefined
  private loadedClient: S3 | undefined

  constructor(settings: S3Settings, patience: Patience) {
    this.settings = settings
    this.patience = patience
  }

  async client(): Promise<S3> {
    return (await this.load()).client
  }

  /** By how much it found this machine's clock to be off, in milliseconds. */
  get clockOffset(): number {
    return this.loadedClient?.config.systemClockOffset ?? 0
  }

  /** The client, with how to have it sign. */
  load(): Promise<Client> {
    this.loaded ??= import('./s3-client.ts').then(
      ({ createS3Client, signGetObject, putObject }) => {
        this.loadedClient = createS3Client(this.settings, this.patience)
        return { client: this.loadedClient, signGetObject, putObject }
      },
    )
    return this.loaded
  }

  close(): void {
    void this.loaded?.then(({ client }) => client.destroy())
  }
}
