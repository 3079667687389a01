/** Files as entries of the menu. */

import type { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog, type IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { Contents } from '@jupyterlab/services';

import type { ContextSource } from '../../views/chat/context.js';
import { trans } from '../../views/i18n.js';
import { fileAttachments } from './files.js';

/** Return the entries for the files that are selected in the file browser, and for any other. */
export function fileSources(
  contents: Contents.IManager,
  browsers: IFileBrowserFactory | null,
  documents: IDocumentManager | null
): ContextSource[] {
  return [...selectedSource(contents, browsers), ...chosenSource(contents, browsers, documents)];
}

function selectedSource(
  contents: Contents.IManager,
  browsers: IFileBrowserFactory | null
): ContextSource[] {
  const browser = browsers?.tracker.currentWidget;
  const selected = browser?.isVisible ? [...browser.selectedItems()] : [];
  const files = selected.filter(({ type }) => type !== 'directory');
  const [first] = files;
  if (first === undefined) {
    return [];
  }
  const paths = files.map(({ path }) => path);
  return [
    {
      id: 'selected-files',
      kind: 'file',
      label:
        paths.length === 1
          ? trans.__('Selected file: %1', first.name)
          : trans.__('Selected files (%1)', paths.length),
      isEnabled: () => true,
      collect: tokens => fileAttachments(contents, paths, tokens)
    }
  ];
}

function chosenSource(
  contents: Contents.IManager,
  browsers: IFileBrowserFactory | null,
  documents: IDocumentManager | null
): ContextSource[] {
  if (documents === null) {
    return [];
  }
  return [
    {
      id: 'choose-files',
      kind: 'file',
      label: trans.__('Choose files…'),
      isEnabled: () => true,
      collect: async tokens => {
        const { value } = await FileDialog.getOpenFiles({
          manager: documents,
          title: trans.__('Files to attach'),
          label: trans.__('Text files, images and notebooks'),
          defaultPath: browsers?.tracker.currentWidget?.model.path ?? ''
        });
        const files = (value ?? []).filter(({ type }) => type !== 'directory');
        return fileAttachments(
          contents,
          files.map(({ path }) => path),
          tokens
        );
      }
    }
  ];
}
