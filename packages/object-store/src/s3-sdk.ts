import type { GetObjectCommandInput, S3 } from '@aws-sdk/client-s3'
import type { Patience } from './patience.ts'
import type { WireGet } from './s3-signature.ts'
import type { S3Settings } from './settings.ts'

interface Client {
  client: S3
  signGetObject: (client: S3, input: GetObjectCommandInput) => Promise<WireGet>
}

/** The SDK, loaded when a request needs it: that takes a quarter of a second, which reads over lean connections can do without. */
export class S3Sdk {
  private readonly settings: S3Settings
  private readonly patience: Patience
  private loaded: Promise<Client> | undefined

  constructor(settings: S3Settings, patience: Patience) {
    this.settings = settings
    this.patience = patience
  }

  async client(): Promise<S3> {
    return (await this.load()).client
  }

  /** The client, with how to have it sign. */
  load(): Promise<Client> {
    this.loaded ??= import('./s3-client.ts').then(({ createS3Client, signGetObject }) => ({
      client: createS3Client(this.settings, this.patience),
      signGetObject,
    }))
    return this.loaded
  }

  close(): void {
    void this.loaded?.then(({ client }) => client.destroy())
  }
}
