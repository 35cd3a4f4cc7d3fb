<#
.SYNOPSIS
Removes the cluster on this host: its machines, their disks, and the switch and NAT that New-MusterCluster.ps1 made.

.DESCRIPTION
It asks before each machine, unless -Confirm:$false is given. The image of Debian stays, so that the next cluster starts faster; -Image
removes it, too. A switch and a NAT that were there before stay; so do they while other machines are on them.

.PARAMETER Path
The same as for New-MusterCluster.ps1.

.PARAMETER Image
Removes the image of Debian, too.

.EXAMPLE
.\Remove-MusterCluster.ps1 -WhatIf

.EXAMPLE
.\Remove-MusterCluster.ps1 -Confirm:$false -Image
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
param(
    [string] $Path = '',
    [switch] $Image
)

. (Join-Path $PSScriptRoot 'Muster.ps1')

# Remove-Machine removes a machine with its disks. Only its own folder is removed.
function Remove-Machine([object] $Machine, [string] $Folder) {
    if (-not $PSCmdlet.ShouldProcess($Machine.VM.Name, 'remove the machine and its disks')) { return }
    if ($Machine.VM.State -ne 'Off') { Stop-VM -VM $Machine.VM -TurnOff -Force }
    Remove-VM -VM $Machine.VM -Force
    if (Test-Path -LiteralPath $Folder) { Remove-Item -LiteralPath $Folder -Recurse -Force }
    Write-Step "$($Machine.VM.Name): is removed"
}

Assert-HyperV
$root = if ($Path) { $Path } else { $MusterPath }
$machines = @(Get-MusterVM)
if ($machines.Count -eq 0) { Write-Step 'there is no machine of a cluster on this host' }
foreach ($machine in $machines) {
    Remove-Machine $machine (Join-Path $root $machine.Id)
}

$nat = Get-NetNat -Name $MusterSwitch -ErrorAction SilentlyContinue
$switchThere = Get-VMSwitch -Name $MusterSwitch -ErrorAction SilentlyContinue
$users = @(Get-VM | Get-VMNetworkAdapter | Where-Object { $_.SwitchName -eq $MusterSwitch })
if (($nat -or $switchThere) -and $users.Count -gt 0) {
    Write-Step "the switch $MusterSwitch stays: $($users.Count) machine(s) are on it"
} else {
    if ($nat -and $PSCmdlet.ShouldProcess($nat.Name, 'remove the NAT network')) {
        Remove-NetNat -Name $nat.Name -Confirm:$false
        Write-Step "NAT: $($nat.Name) is removed"
    }
    if ($switchThere -and $PSCmdlet.ShouldProcess($MusterSwitch, 'remove the switch')) {
        Remove-VMSwitch -Name $MusterSwitch -Force
        Write-Step "switch: $MusterSwitch is removed"
    }
}

$base = Join-Path $root 'base'
if ($Image -and (Test-Path -LiteralPath $base) -and $PSCmdlet.ShouldProcess($base, 'remove the image of Debian')) {
    Remove-Item -LiteralPath $base -Recurse -Force
    Write-Step "image: $base is removed"
}
