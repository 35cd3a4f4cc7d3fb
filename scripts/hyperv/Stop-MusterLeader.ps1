<#
.SYNOPSIS
Pulls the plug of the leader's machine, and says how long it took until another master led.

.DESCRIPTION
The machine is turned off as by a power failure: nothing is shut down. Half a second to a few seconds later another master leads, and
every task that was acknowledged is still there. Start-VM, or New-MusterCluster.ps1, brings the machine back; it catches up from its disk.

.PARAMETER WaitSeconds
How long to wait for the next leader.

.EXAMPLE
.\Stop-MusterLeader.ps1
#>

#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [ValidateRange(1, 600)] [int] $WaitSeconds = 60
)

. (Join-Path $PSScriptRoot 'Muster.ps1')

Assert-HyperV
$machines = @(Get-MusterVM)
$masters = @($machines | Where-Object { $_.Role -eq 'master' })
if ($masters.Count -eq 0) { throw 'There is no cluster on this host. .\New-MusterCluster.ps1 makes one.' }
$old = Get-MusterLeader $machines
if (-not $old) {
    throw 'No master says who leads. Wait a few seconds and try again; if it stays so, fewer than a majority of the masters run: .\Get-MusterCluster.ps1 shows which.'
}
$victim = $masters | Where-Object { $_.Id -eq $old }
if (-not $victim) { throw "$old leads, and is no machine of this host. Stop it where it runs." }
$running = @($masters | Where-Object { $_.VM.State -eq 'Running' })
$othersLead = ($running.Count - 1) * 2 -gt $masters.Count
if (-not $othersLead) {
    Write-Warning "Without $old no majority of the $($masters.Count) master(s) runs: nobody can lead until it is back, and no task is accepted."
}
if (-not $PSCmdlet.ShouldProcess($victim.VM.Name, 'turn the machine of the leader off, as by a power failure')) { return }

$watch = [Diagnostics.Stopwatch]::StartNew()
Stop-VM -VM $victim.VM -TurnOff -Force
Write-Step "$($victim.VM.Name) is off: $old led the cluster"
$rest = @($running | Where-Object { $_.Id -ne $old })
while ($othersLead) {
    $new = Get-MusterLeader $rest
    if ($new -and $new -ne $old) {
        # Hyper-V's own time to turn a machine off is in it.
        Write-Step ('{0} leads, at most {1:n1} s after the plug was pulled' -f $new, $watch.Elapsed.TotalSeconds)
        break
    }
    if ($watch.Elapsed.TotalSeconds -gt $WaitSeconds) {
        throw "After $WaitSeconds seconds no other master leads. .\Get-MusterCluster.ps1 shows which masters run; a majority of them must."
    }
    Start-Sleep -Milliseconds 50
}
Write-Host "Bring it back with: Start-VM $($victim.VM.Name)"
