# PowerShell completion of kubectl-synxdb (made by: kubectl synxdb completion powershell)
# The program itself knows what may stand where; what is here brings its answer to the terminal.

Register-ArgumentCompleter -Native -CommandName 'kubectl-synxdb' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $program = $commandAst.CommandElements[0].Extent.Text
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text.Trim("'", '"') })
    $current = "$wordToComplete"
    # Until 7.3 an empty argument had to be written like this.
    if ($current -eq '' -and $PSVersionTable.PSVersion -lt [version]'7.3') { $current = '""' }
    $answer = @(& $program __complete @words $current 2>$null)
    if ($answer.Count -eq 0 -or $answer[-1] -notmatch '^:\d+$') { return }
    # Of --flag=value the value is completed.
    $flag = ''
    if ($wordToComplete -match '^-[^=]*=') { $flag = $Matches[0] }
    $answer | Select-Object -SkipLast 1 | ForEach-Object {
        $value, $about = $_ -split "`t", 2
        if (-not $about) { $about = $value }
        [System.Management.Automation.CompletionResult]::new("$flag$value", $value, 'ParameterValue', $about)
    }
}
