import { adapterExample } from '@portcullis/conformance/adapter'

adapterExample(import.meta.url, () => import('./readme-example.ts'))
