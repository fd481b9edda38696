# What relocate.sh, verify.sh and unpack.sh cannot do themselves, by the action that sh asks for.

@quoted.awk@
@records.awk@
@shebangs.awk@
@relocate.awk@
@preflight.awk@
@verify.awk@

BEGIN {
    action = ENVIRON["action"]
    if (action == "plan") plan()
    else if (action == "update") update()
    else if (action == "preflight") preflight()
    else if (action == "status") show_status()
    else if (action == "content") bare_content()
    else if (action == "records") plan_records()
    else if (action == "entries") plan_entries()
    else if (action == "findings") show_findings()
    else if (action == "outcome") show_outcome()
    else if (action == "variables") show_variables()
    else if (action == "quote") print quoted(ENVIRON["text"], 1)
    if (action != "") exit
}
