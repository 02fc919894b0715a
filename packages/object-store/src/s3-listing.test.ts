import { expect, test } from 'vitest'
import { readListing } from './s3-listing.ts'

const head = '<Name>pods</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>'
const facts = '<Size>4</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified>'
const listing = (inner: string) =>
  Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ListBucketResult>`,
  )

test('reads keys, sizes, times and tags, and where the listing goes on', () => {
  const key = 'a b+c&amp;d&lt;e&gt;&quot;&apos;%41&#xe9;&#128025;ü'
  const entry = `<Contents><Key>${key}</Key>${facts}<ETag>&quot;tag&quot;</ETag><StorageClass>STANDARD</StorageClass><Owner><ID>x</ID><DisplayName/></Owner></Contents>`
  const more =
    '<Name>pods</Name><IsTruncated>true</IsTruncated><NextContinuationToken>1/a+=</NextContinuationToken>'
  expect(readListing(listing(`${more}\n  ${entry}\n`))).toEqual({
    objects: [
      {
        key: 'a b+c&d<e>"\'%41é🐙ü',
        size: 4,
        modifiedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
        etag: 'tag',
      },
    ],
    next: '1/a+=',
  })
  expect(readListing(listing(head))).toEqual({ objects: [], next: undefined })
  expect(readListing(listing(`${head}<EncodingType></EncodingType>`))?.objects).toEqual([])
})

const contents = (inner: string) => listing(`${head}<Contents>${inner}</Contents>`)

test.each([
  ['an empty answer', Buffer.alloc(0)],
  ['another document', Buffer.from('<Error><Code>SlowDown</Code></Error>')],
  ['a page of a proxy', Buffer.from('<html><body>hello<br></body></html>')],
  ['a document that was cut', listing(head).subarray(0, -5)],
  ['something behind the end', Buffer.concat([listing(head), Buffer.from('<x/>')])],
  ['bytes that are no UTF-8', Buffer.concat([listing(head), Buffer.from([0xff])])],
  ['none of the bucket’s fields', listing('<IsTruncated>false</IsTruncated>')],
  ['no word on whether there is more', listing('<Name>pods</Name>')],
  ['keys that are encoded', listing(`${head}<EncodingType>url</EncodingType>`)],
  ['common prefixes', listing(`${head}<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>`)],
  ['a field twice', listing(`${head}<Name>pods</Name>`)],
  ['a comment', listing(`${head}<!-- x -->`)],
  ['raw characters', contents(`<Key><![CDATA[a]]></Key>${facts}`)],
  ['an unknown entity', contents(`<Key>a&constructor;</Key>${facts}`)],
  ['a bare ampersand', contents(`<Key>a&b</Key>${facts}`)],
  ['half a character', contents(`<Key>a&#xd800;</Key>${facts}`)],
  ['a control character', contents(`<Key>a\rb</Key>${facts}`)],
  ['an entry without a key', contents(facts)],
  ['a key twice', contents(`<Key>a</Key><Key>b</Key>${facts}`)],
  ['a size that is none', contents(`<Key>a</Key>${facts.replace('4', '-4')}`)],
  ['a time that is none', contents(`<Key>a</Key>${facts.replace('2026-01-02', 'yesterday')}`)],
  ['elements that cross', contents(`<Key>a<Size></Key>4</Size>${facts}`)],
  ['text between elements', contents(`x<Key>a</Key>${facts}`)],
])('leaves %s to the SDK', (_what, bytes) => {
  expect(readListing(bytes)).toBeUndefined()
})
