"""The texts that `mics-iac init` writes: a first manifest that is right as it stands, and what git must not keep.

Nothing here writes a file or knows where one goes.
"""

from __future__ import annotations

from typing import Final

STARTER_MANIFEST: Final = """\
# yaml-language-server: $schema=./.mics-iac/imports.schema.json
#
# The document imports that should exist, and the files to load through them.
#   mics-iac plan     shows what would be done
#   mics-iac apply    does it, and loads each file once
# All keys: docs/manifest.md. The token is never in this file: set MICS_API_TOKEN.
version: 1

# Values that change from run to run or from place to place; used below as ${name}.
# variables:
#   batch: {description: "night of the export, YYYY-MM-DD", pattern: '\\d{4}-\\d\\d-\\d\\d'}

# Where the state is kept: a file beside this one, unless a place is named that all who apply can reach.
# state: {backend: s3, bucket: acme-states, prefix: mics} # or gs, az, http; credentials are never in this file

# Settings of every import that does not say otherwise.
defaults:
  priority: MEDIUM
  max_failures: 0 # rejected records allowed in each file; or a share such as 0.1%

datamarts:
  main:
    id: "1500" # the id of your datamart on the platform: put yours here
    imports:
      # The key is this import's address, main/store-visits. The name on the platform may change, the key stays.
      store-visits:
        name: Store visits
        document_type: USER_ACTIVITY
        sources:
          # Relative to this file. `*` is any name, `**` any depth.
          - path: data/store-visits/*.ndjson
            allow_empty: true # no file yet is fine; take it out once there are some
"""

GITIGNORE: Final = """\
# mics-iac: what belongs to this machine alone. The state file (*.state.json) is to be kept.
.mics-iac/*
!.mics-iac/imports.schema.json
*.state.lock
*.state.lock.*
*.state.json.lock
*.state.json.*.tmp
*.state.journal.*
*.state.backup.*
"""
