"""Raw files of any form to interactions: decoded, recognised, roles and times found, rows collected."""
