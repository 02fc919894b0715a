export { missingS3Server, startS3Server, type S3Server } from '@berth/object-store/testing'
