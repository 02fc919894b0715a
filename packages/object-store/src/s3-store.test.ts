import { openStore } from './open-store.ts'
import { missingS3Server, startS3Server, startStubS3, testObjectStore } from './testing.ts'

testObjectStore('our stub', async () => {
  const server = await startStubS3({ pageSize: 3 })
  const store = await openStore(server.url, { env: server.env })
  return {
    store,
    close: async () => {
      await store.close()
      await server.close()
    },
  }
})

testObjectStore(
  'a real S3 server',
  async () => {
    const server = await startS3Server()
    const store = await openStore(server.url, { env: server.env })
    return {
      store,
      close: async () => {
        await store.close()
        await server.close()
      },
    }
  },
  missingS3Server(),
)
