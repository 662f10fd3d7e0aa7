export { Html, html } from './pages/html.ts'
export { type Page, page } from './pages/layout.ts'
